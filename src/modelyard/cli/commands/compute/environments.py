"""environments list, show, build."""

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.jobs import Environment

PANEL = "Compute"
_SHOWN = 12
Name = Annotated[str, typer.Argument(help="Name of the environment.")]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "environments", _declare, help="Packages that models which are programs run with.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "list")(list_)
    command(group, "show")(show)
    command(group, "build")(build)


def list_(session: Session) -> None:
    """The installation's own, ready-made ones, and those that somebody has made."""
    session.out.table(
        session.client.environments.list(),
        {
            "Name": lambda each: each.name,
            "Digest": lambda each: (each.digest or "not built")[:_SHOWN],
            "Python": lambda each: each.python,
            "Packages": lambda each: len(each.packages) or "",
            "Made from": lambda each: ", ".join(each.requirements.split()),
        },
        empty="There are no environments.",
    )


def show(session: Session, name: Name) -> None:
    """An environment with its packages."""
    with did_you_mean("environment", name, lambda: [each.name for each in session.client.environments.list()]):
        found: Environment = session.client.environments.get(name)
    _show(session, found)


def build(
    session: Session,
    name: Name,
    requirements: Annotated[
        Path | None, typer.Option("--requirements", "-r", exists=True, dir_okay=False, help="A requirements.txt.")
    ] = None,
    lock: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A lock with hashes, in its place.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="Version of Python, such as 3.11.")] = None,
) -> None:
    """Lock and build an environment. A ready-made one needs no more than its name."""
    with session.out.waiting(f"Build {name}"):
        made = session.client.environments.build(
            name, requirements=_text(requirements), lock=_text(lock), python=python
        )
    session.out.note(
        f"Register a program with it: modelyard models register NAME --artifact FOLDER --environment {name}"
    )
    _show(session, made)


def _show(session: Session, environment: Environment) -> None:
    session.out.record(
        environment,
        {
            "Name": environment.name,
            "Digest": environment.digest or "not built",
            "Python": environment.python,
            "Made from": ", ".join(environment.requirements.split()),
            "Packages": ", ".join(environment.packages),
            "About": environment.description,
        },
    )


def _text(file: Path | None) -> str | None:
    return None if file is None else file.read_text(encoding="utf-8")
