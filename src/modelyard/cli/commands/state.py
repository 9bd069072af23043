"""export, import: the whole state of a platform in one file."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.cli import output
from modelyard.cli.command import command
from modelyard.cli.session import Session

if TYPE_CHECKING:
    from modelyard.settings import Settings

PANEL = "Platform"

Database = Annotated[
    str, typer.Option(envvar="MODELYARD_DATABASE_URL", help="SQLAlchemy URL; SQLite in --home if empty.")
]
Objects = Annotated[
    str, typer.Option(envvar="MODELYARD_OBJECTS_URL", help="Object store URL; files in --home if empty.")
]


def declare(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "export", panel=PANEL)(export_)
    command(app, "import", panel=PANEL)(import_)


def export_(
    session: Session,
    file: Annotated[Path, typer.Argument(help="File to make.")],
    database: Database = "",
    objects: Objects = "",
) -> None:
    """Write the whole state of a stopped platform to one file: database, objects, captures that wait."""
    from modelyard.server.state.transfer import export_state  # noqa: PLC0415 - the server's side, only needed here

    started = time.monotonic()
    with session.out.progress("Exporting") as progress:
        settings = _settings(session, database, objects)
        totals = export_state(settings, file, progress)
    _done(session, "Exported", totals, f"to {file} ({output.size(file.stat().st_size)})", started)


def import_(
    session: Session,
    file: Annotated[Path, typer.Argument(help="File that `modelyard export` made.")],
    database: Database = "",
    objects: Objects = "",
) -> None:
    """Read an exported state into an empty database, object store and state directory."""
    from modelyard.server.state.transfer import import_state  # noqa: PLC0415 - the same

    started = time.monotonic()
    with session.out.progress("Importing") as progress:
        totals = import_state(_settings(session, database, objects), file, progress)
    _done(session, "Imported", totals, f"from {file}; start it with `modelyard up`", started)


def _settings(session: Session, database: str, objects: str) -> "Settings":
    from modelyard.server.arguments import read_settings  # noqa: PLC0415 - the same

    given: dict[str, object] = {"home": session.home, "database_url": database or None, "objects_url": objects or None}
    return read_settings(given)


def _done(session: Session, verb: str, totals: Any, where: str, started: float) -> None:
    rows = sum(table.rows for table in totals.tables.values())
    size = output.size(totals.objects.bytes)
    seconds = time.monotonic() - started
    words = f"{verb} {rows} rows and {totals.objects.count} objects ({size}) in {seconds:.1f} s {where}."
    session.out.done(totals, words)
