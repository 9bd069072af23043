"""A copy of the database before migrations change it: the way back to the release that was there before."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from modelyard.settings import Home
from modelyard.storage.archive.schema import check_known, revisions_of
from modelyard.storage.archive.writing import Source, write_archive
from modelyard.storage.database import Database, database_file
from modelyard.storage.migrate import head_of

KEPT = 5


def upgrade_safely(
    database: Database, branches: tuple[str, ...], home: Home, release: str, now: datetime
) -> Path | None:
    """Bring the tables of `branches` to the present schema; what is there already is copied first.

    One transaction under the lock of migrations, as `Database.upgrade`: of several processes one does it.

    Returns:
        The copy: a SQLite file, or of PostgreSQL an archive of the database alone. None if nothing was out of date.

    Raises:
        StateTooNewError: a newer release has been here; nothing was changed.
        OSError: the copy cannot be written; nothing was changed.
    """
    copy = None

    def keep(connection: Connection) -> None:
        nonlocal copy
        present = {branch: each for branch, each in revisions_of(connection).items() if branch in branches}
        check_known(connection, present)
        if any(revision != head_of(connection, branch) for branch, revision in present.items()):
            copy = _copy(connection, home, release, now)

    database.upgrade(*branches, before=keep)
    return copy


def _copy(connection: Connection, home: Home, release: str, now: datetime) -> Path:
    home.backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{now:%Y%m%dT%H%M%S%f}"
    file = database_file(str(connection.engine.url))
    if file is None:
        path = home.backups / f"{name}.tar"
        write_archive(path, Source(connection=connection, objects=None, home=home, release=release, now=now))
    else:
        path = home.backups / f"{name}.db"
        _copy_sqlite(file, path)
    for old in sorted(home.backups.iterdir())[:-KEPT]:
        old.unlink()
    return path


def _copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite itself, as of now, with what is still in the write-ahead log; readable by its owner only."""
    target.touch(mode=0o600)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
