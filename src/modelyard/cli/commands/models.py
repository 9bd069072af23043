"""models: register, find and look at models."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.compilation import compilation_fields
from modelyard.cli.groups import add_group
from modelyard.cli.output import number, pairs, size, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.models import Metric, ModelVersion
from modelyard.types.signatures import TensorSpec

PANEL = "Data and models"
Ref = Annotated[str, typer.Argument(help="NAME (newest version), NAME:VERSION or NAME@ALIAS.")]
Name = Annotated[str, typer.Argument(help="Name of the model.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "models", _declare_models, help="Register, find and look at models.", panel=PANEL)


def _declare_models(group: typer.Typer) -> None:
    command(group, "register")(register)
    command(group, "search")(search)
    command(group, "list")(list_)
    command(group, "show")(show)
    command(group, "versions")(versions)
    command(group, "lineage")(lineage)
    command(group, "download")(download)
    command(group, "compile")(compile_)
    command(group, "alias")(set_alias)
    command(group, "delete")(delete)


def register(
    session: Session,
    name: Name,
    artifact: Annotated[
        Path,
        typer.Option(
            help="ONNX, skops, XGBoost, LightGBM, CatBoost or GGUF file, or the folder of a bundle or of a program."
        ),
    ],
    signature: Annotated[
        Path | None, typer.Option(help="A program's signature.json, if it is not in its folder.", exists=True)
    ] = None,
    environment: Annotated[
        str | None, typer.Option(help="Named environment of a program, in the place of its requirements.txt.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="What the model does, if it cannot be told.")] = None,
    description: Annotated[str | None, typer.Option(help="What the model is.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX name of the licence.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Word to find it by; may be repeated.")] = None,
) -> None:
    """Add a version to a model. Signature, golden requests and ONNX form are inferred from a bare file."""
    given = {"task": task, "description": description, "licence": licence, "tags": tag or None}
    card = {key: value for key, value in given.items() if value is not None}
    with session.out.progress(f"Uploading {artifact.name}") as progress:
        version = session.client.models.register(
            name, artifact, signature=signature, environment=environment, card=card, progress=progress
        )
    session.out.note(f"Registered {version.ref}. Deploy it: modelyard deploy {version.ref} --endpoint {name} --wait")
    _show(session, version)


def search(
    session: Session,
    query: Annotated[
        str,
        typer.Argument(help='Words, or a query: task = "image-classification" and metrics.accuracy >= 0.95'),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many to show.")] = 20,
) -> None:
    """Find models by what they do and how well."""
    page = session.client.models.search_page(query, limit=limit)
    if page.query:
        session.out.note(f"Understood as: {page.query}")
    for note in page.notes:
        session.out.note(note)
    if session.out.is_json:
        session.out.done(page, "")
        return
    session.out.table(
        page.items,
        {
            "Version": lambda hit: hit.version.ref,
            "Aliases": lambda hit: hit.version.aliases,
            "Task": lambda hit: hit.version.manifest.card.task,
            "Metrics": lambda hit: [_metric(metric) for metric in hit.version.manifest.card.metrics[:3]],
            "Endpoints": lambda hit: hit.version.endpoints,
            "Description": lambda hit: hit.description or hit.version.manifest.card.description,
        },
        empty="No version fits.",
    )


def list_(session: Session) -> None:
    """Models by name."""
    session.out.table(
        session.client.models.list(),
        {
            "Name": lambda model: model.name,
            "Versions": lambda model: model.latest or 0,
            "Aliases": lambda model: [f"{alias}={version}" for alias, version in model.aliases.items()],
            "Description": lambda model: model.description,
            "Changed": lambda model: when(model.updated_at),
        },
        empty="There are no models yet. Train one, or: modelyard models register NAME --artifact FILE",
    )


def show(session: Session, ref: Ref) -> None:
    """A version: card, signature, metrics, lineage."""
    with did_you_mean("model", ref, lambda: _names(session)):
        version = session.client.models.get(ref)
    _show(session, version)


def versions(session: Session, name: Name) -> None:
    """All versions of a model, newest first."""
    with did_you_mean("model", name, lambda: _names(session)):
        found = [*session.client.models.versions(name)]
    session.out.table(
        found,
        {
            "Version": lambda version: version.ref,
            "Aliases": lambda version: version.aliases,
            "Algorithm": lambda version: version.manifest.card.algorithm,
            "Metrics": lambda version: [_metric(metric) for metric in version.manifest.card.metrics[:3]],
            "Endpoints": lambda version: version.endpoints,
            "Made": lambda version: when(version.created_at),
        },
        empty="The model has no versions.",
    )


def lineage(session: Session, ref: Ref) -> None:
    """Where a version came from and where it went."""
    with did_you_mean("model", ref, lambda: _names(session)):
        graph = session.client.models.lineage(ref)
    if session.out.is_json:
        session.out.done(graph, "")
        return
    session.out.table(
        graph.edges,
        {"From": lambda edge: edge.source, "To": lambda edge: edge.target},
        empty=f"{graph.root} stands alone.",
    )


def download(session: Session, ref: Ref, folder: Annotated[Path, typer.Argument(help="Folder to write into.")]) -> None:
    """Write all files of a version into a folder; each is checked against its digest."""
    with did_you_mean("model", ref, lambda: _names(session)), session.out.progress("Downloading") as progress:
        version = session.client.models.download(ref, folder, progress=progress)
    session.out.done(version, f"Wrote {version.ref} to {folder}.")


def compile_(
    session: Session,
    ref: Ref,
    target: Annotated[str, typer.Option(help="cpu, cpu-int8, cuda, arm64, or c (tree models as a C library).")],
    output: Annotated[
        Path | None, typer.Option(help="Folder to write into; NAME-VERSION-TARGET here if left out.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=1e-9, max=1, help="How far numbers may differ: absolute, and relative above 1.")
    ] = 1e-5,
) -> None:
    """Make files of a version for other hardware, compared with the original. The version stays as it is."""
    with did_you_mean("model", ref, lambda: _names(session)), session.out.waiting(f"Compiling to {target}"):
        version = session.client.models.get(ref)
        folder = output or Path(f"{version.model}-{version.number}-{target}")
        build = session.client.models.compile(version.ref, target, folder, tolerance=tolerance)
    session.out.note(build.summary)
    if build.is_bundle:
        session.out.note(f"Register it: modelyard models register {version.model} --artifact {folder}")
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    fields = {"Folder": folder, "Files": files, **compilation_fields(build.compilation)}
    session.out.record({**asdict(build), "folder": str(folder), "files": files}, fields)


def set_alias(
    session: Session,
    name: Name,
    alias: Annotated[str, typer.Argument(help="The movable name, without @.")],
    number: Annotated[int, typer.Argument(help="Version that it shall point to.")],
) -> None:
    """Point an alias to a version: NAME@ALIAS."""
    with did_you_mean("model", name, lambda: _names(session)):
        model = session.client.models.set_alias(name, alias.removeprefix("@"), number)
    session.out.done(model, f"{name}@{alias.removeprefix('@')} is {name}:{number}.")


def delete(
    session: Session,
    name: Name,
    number: Annotated[int | None, typer.Option(help="Only this version.")] = None,
    yes: Sure = False,
) -> None:
    """Delete a version, or a model with all its versions."""
    what = f"{name}:{number}" if number else f"model {name} with all its versions"
    session.confirm(f"Delete {what}?", is_sure=yes)
    with did_you_mean("model", name, lambda: _names(session)):
        session.client.models.delete(name, number=number)
    session.out.done({"deleted": what}, f"Deleted {what}.")


def _show(session: Session, version: ModelVersion) -> None:
    card, signature = version.manifest.card, version.manifest.signature
    parity = card.parity
    fields = {
        "Version": version.ref,
        "Aliases": version.aliases,
        "Task": card.task,
        "Description": card.description,
        "Intended use": card.intended_use,
        "Limitations": card.limitations,
        "Licence": card.licence,
        "Algorithm": card.algorithm,
        "Hyper-parameters": pairs(card.hyperparameters),
        "Metrics": [_metric(metric) for metric in card.metrics],
        "Data": [f"{data.role}: {data.dataset}:{data.number}" for data in card.training_data],
        "Inputs": [_tensor(spec) for spec in signature.inputs],
        "Outputs": [_tensor(spec) for spec in signature.outputs],
        "Classes": signature.class_names,
        "Format": version.manifest.artifact_format,
        "Parity": f"equal on {parity.rows} rows" if parity and parity.is_equal else parity.note if parity else "",
        **(compilation_fields(card.compilation) if card.compilation else {}),
        "Findings": "\n".join(card.findings),
        "Evaluations": [f"{each.name}: {'passed' if each.is_passed else 'failed'}" for each in version.evaluations],
        "Endpoints": version.endpoints,
        "Job": version.lineage.job,
        "Parent": version.lineage.parent,
        "Size": size(version.size_bytes),
        "Environment": next((file.digest for file in version.files if file.path == "environment.lock"), ""),
        "Digest": version.digest,
        "Made": f"{when(version.created_at)} by {version.lineage.created_by}".removesuffix(" by "),
    }
    session.out.record(version, fields)


def _names(session: Session) -> list[str]:
    return [model.name for model in session.client.models.list()]


def _metric(metric: Metric) -> str:
    interval = f" [{number(metric.low)}, {number(metric.high)}]" if metric.low is not None else ""
    return f"{metric.name} {number(metric.value)}{interval}"


def _tensor(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.datatype} {list(spec.shape)}"
