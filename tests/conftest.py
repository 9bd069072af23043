"""Fixtures of the whole test suite: a database with every table, on a real file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.control.tables import load_tables
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES


def create_all_tables(database: Database) -> None:
    load_tables()
    for metadata in BRANCHES.values():
        metadata.create_all(database.engine)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """SQLite with the tables of all applications."""
    database = Database(f"sqlite:///{tmp_path}/modelyard.db")
    create_all_tables(database)
    yield database
    database.close()
