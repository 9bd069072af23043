"""Fixtures of the whole test suite: a database with every table, on a real file; real PostgreSQL and S3 servers."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, settings

from modelyard.control.tables import load_tables
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.testing.services import servers

settings.register_profile("busy machine", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


def create_all_tables(database: Database) -> None:
    load_tables()
    for metadata in BRANCHES.values():
        metadata.create_all(database.engine)


@dataclass(frozen=True)
class TlsFiles:
    """A certificate for localhost, its key, and the authority that vouches for it, as PEM files."""

    certificate: str
    key: str
    authority: str


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """Made anew for each run, so that no key lies in the repository."""
    folder = tmp_path_factory.mktemp("tls-files")
    files = TlsFiles(*(str(folder / name) for name in ("localhost.pem", "localhost.key", "authority.pem")))
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    issued.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(files.authority)
    return files


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the tables of all applications: to copy it is quicker than to make them for each test."""
    path = tmp_path_factory.mktemp("tables") / "modelyard.db"
    database = Database(f"sqlite:///{path}")
    create_all_tables(database)
    database.close()
    return path


@pytest.fixture
def database(tmp_path: Path, empty_tables: Path) -> Iterator[Database]:
    """SQLite with the tables of all applications."""
    database = Database(f"sqlite:///{shutil.copy(empty_tables, tmp_path / 'modelyard.db')}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[Callable[[], str]]:
    """`postgres_url()` is the URL of a new, empty database on a real server."""
    with servers.postgres_server() as new_database:
        yield new_database


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A real S3 server with the bucket "test": the AWS_* variables that reach it."""
    with servers.s3_server(tmp_path_factory.mktemp("seaweed")) as variables:
        yield variables
