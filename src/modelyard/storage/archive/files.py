"""What of a state directory is state besides database and objects: all else can be made again, or is the machine's."""

import sqlite3
from contextlib import closing
from pathlib import Path

from modelyard.settings import Home


def state_files(home: Home) -> tuple[Path, ...]:
    """The keys of hashed columns and of signatures, MLflow's database, and captures that control has not taken up."""
    single = [path for path in _single(home) if path.is_file()]
    return (*single, *sorted(path for path in home.spool.rglob("*") if path.is_file()))


def is_state_file(home: Home, name: str) -> bool:
    """Whether `name`, a path in the state directory, may come out of an archive."""
    path = home.root / name
    return ".." not in path.parts and (path in _single(home) or home.spool in path.parents)


def _single(home: Home) -> tuple[Path, ...]:
    return (home.mask_key, home.signing_key, home.tracking_database)


def settle(database: Path) -> None:
    """Bring what a killed process has left beside a SQLite file into it, so that the file is all there is."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
