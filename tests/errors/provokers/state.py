"""Errors of moving a platform's whole state."""

import re
from datetime import UTC, datetime
from pathlib import Path

from stage import Stage

from modelyard.server.tracking.tables import MlflowTables
from modelyard.settings import Home
from modelyard.storage.archive.loading import Target, load_archive
from modelyard.storage.archive.writing import Source, write_archive
from modelyard.storage.database import Database
from modelyard.storage.objects import open_objects
from provokers.registration import provokes


def _exported(folder: Path, revision: str | None = None, *, to: Path | None = None) -> Path:
    """An archive of a new database, which says that it is of `revision`."""
    database = Database(f"sqlite:///{folder}/source.db")
    database.upgrade("jobs")
    with database.read() as connection:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        source = Source(connection=connection, objects=None, home=Home(folder), release="0.1.0", now=now)
        write_archive(to or folder / "state.tar", source)
    database.close()
    if revision is not None:
        content = (folder / "state.tar").read_bytes()
        (folder / "state.tar").write_bytes(re.sub(rb'"jobs":"\d{4}"', b'"jobs":"%s"' % revision.encode(), content))
    return folder / "state.tar"


def _import(folder: Path, archive: Path, *, is_empty: bool = True) -> None:
    database = Database(f"sqlite:///{folder}/target.db")
    try:
        if not is_empty:
            database.upgrade("jobs")
        load_archive(archive, Target(database=database, objects=open_objects("memory://"), home=Home(folder)))
    finally:
        database.close()


@provokes("archive_unwritable")
def archive_unwritable(stage: Stage) -> None:
    _exported(stage.folder(), to=Path("/nowhere/state.tar"))


@provokes("database_url_invalid")
def database_url_invalid(_stage: Stage) -> None:
    Database("mysql://host/name")


@provokes("disk_full")
def disk_full(stage: Stage) -> None:
    database = Database(f"sqlite:///{stage.folder()}/full.db")
    try:
        with database.transaction() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
            connection.exec_driver_sql("CREATE TABLE more (name TEXT)")
    finally:
        database.close()


@provokes("database_unavailable")
def database_unavailable(_stage: Stage) -> None:
    database = Database("postgresql://user@127.0.0.1:1/name")
    try:
        database.check()
    finally:
        database.close()


@provokes("archive_damaged")
def archive_damaged(stage: Stage) -> None:
    folder = stage.folder()
    archive = _exported(folder)
    archive.write_bytes(archive.read_bytes()[:2000])
    _import(folder, archive)


@provokes("state_too_new")
def state_too_new(stage: Stage) -> None:
    folder = stage.folder()
    _import(folder, _exported(folder, "0999"))


@provokes("import_target_not_empty")
def import_target_not_empty(stage: Stage) -> None:
    folder = stage.folder()
    _import(folder, _exported(folder), is_empty=False)


@provokes("mlflow_missing")
def mlflow_missing(_stage: Stage) -> None:
    MlflowTables().check()  # not installed where these run
