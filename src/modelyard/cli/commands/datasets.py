"""datasets: data in immutable versions."""

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import number, size, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.datasets import Column, DatasetFormat

PANEL = "Data and models"
Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
NameOrVersion = Annotated[str, typer.Argument(metavar="NAME", help="NAME (newest version) or NAME:VERSION.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "datasets", _declare_datasets, help="Upload and look at data.", panel=PANEL)


def _declare_datasets(group: typer.Typer) -> None:
    command(group, "upload")(upload)
    command(group, "list")(list_)
    command(group, "show")(show)
    command(group, "download")(download)
    command(group, "delete")(delete)


def upload(
    session: Session,
    name: Name,
    path: Annotated[Path, typer.Argument(help="CSV, Parquet, npz or zip file, or a folder with one folder per class.")],
    description: Annotated[str, typer.Option(help="What is in this version.")] = "",
    format: Annotated[DatasetFormat | None, typer.Option(help="Told from the content if left out.")] = None,
    resume: Annotated[str | None, typer.Option(help="Id of an upload that was broken off.")] = None,
) -> None:
    """Add a version to a dataset (made if absent); the schema is inferred and shown."""
    with session.out.progress(f"Uploading {path.name}") as progress:
        version = session.client.datasets.upload(
            name, path, description=description, format=format, resume=resume, progress=progress
        )
    session.out.note(f"{name}:{version.number} is there ({size(version.size_bytes)}, {version.schema.rows} rows).")
    if session.out.is_json:
        session.out.done(version, "")
    else:
        _show_columns(session, version.schema.columns)


def list_(session: Session, text: Annotated[str | None, typer.Option(help="Words to look for.")] = None) -> None:
    """Datasets by name."""
    session.out.table(
        session.client.datasets.list(text=text),
        {
            "Name": lambda dataset: dataset.name,
            "Versions": lambda dataset: dataset.latest or 0,
            "Description": lambda dataset: dataset.description,
            "Tags": lambda dataset: dataset.tags,
            "Changed": lambda dataset: when(dataset.updated_at),
        },
        empty="There are no datasets yet. Upload one: modelyard datasets upload NAME FILE",
    )


def show(
    session: Session,
    name: NameOrVersion,
    number: Annotated[int | None, typer.Option(help="Version; the newest if left out.")] = None,
) -> None:
    """A version of a dataset, with its schema."""
    name, number = _version(name, number)
    with did_you_mean("dataset", name, lambda: _names(session)):
        version = session.client.datasets.version(name, number)
    schema = version.schema
    fields = {
        "Dataset": f"{version.dataset}:{version.number}",
        "Format": version.format,
        "Size": size(version.size_bytes),
        "Rows": schema.rows,
        "Image shape": schema.image_shape,
        "Classes": schema.class_names,
        "Digest": version.digest,
        "Made": f"{when(version.created_at)} by {version.created_by}",
        "Description": version.description,
    }
    session.out.record(version, fields)
    if not session.out.is_json:
        _show_columns(session, schema.columns)


def download(
    session: Session,
    name: NameOrVersion,
    target: Annotated[Path, typer.Argument(help="File to write.")],
    number: Annotated[int | None, typer.Option(help="Version; the newest if left out.")] = None,
) -> None:
    """Write the content of a version to a file; it is checked against its digest."""
    name, number = _version(name, number)
    with did_you_mean("dataset", name, lambda: _names(session)), session.out.progress("Downloading") as progress:
        version = session.client.datasets.download(name, target, number=number, progress=progress)
    session.out.done(version, f"Wrote {name}:{version.number} to {target}.")


def delete(session: Session, name: Name, yes: Sure = False) -> None:
    """Delete a dataset with all its versions."""
    session.confirm(f"Delete dataset {name} with all its versions?", is_sure=yes)
    with did_you_mean("dataset", name, lambda: _names(session)):
        session.client.datasets.delete(name)
    session.out.done({"deleted": name}, f"Deleted dataset {name}.")


def _version(name: str, number: int | None) -> tuple[str, int | None]:
    """`houses:2`, as versions are shown everywhere, is version 2 of `houses`."""
    dataset, _, suffix = name.partition(":")
    return (dataset, int(suffix)) if number is None and suffix.isdecimal() else (name, number)


def _names(session: Session) -> list[str]:
    return [dataset.name for dataset in session.client.datasets.list()]


def _show_columns(session: Session, columns: tuple[Column, ...]) -> None:
    session.out.table(
        columns,
        {
            "Column": lambda column: column.name,
            "Kind": lambda column: column.kind,
            "Missing": lambda column: column.missing or "",
            "Distinct": lambda column: column.distinct,
            "Range": lambda column: (
                f"{number(column.minimum)} to {number(column.maximum)}" if column.minimum is not None else ""
            ),
            "Examples": lambda column: column.examples[:3],
            "Note": lambda column: column.note,
        },
        empty="It has no columns.",
    )
