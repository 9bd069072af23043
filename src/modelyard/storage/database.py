"""The database: short transactions on SQLite or PostgreSQL, and migrations to the present schema."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.schema import CreateSchema

from modelyard.errors import InvalidInputError, UnavailableError
from modelyard.kit.files import DiskFullError
from modelyard.storage.migrate import upgrade_branch

__all__ = ["Connection", "Database"]  # services pass connections on without importing SQLAlchemy

_WRITER_WAIT_SECONDS = 30.0
_POSTGRES_DISK_FULL = "53100"  # Source: PostgreSQL documentation, appendix A, class 53
_MIGRATION_LOCK = 0x6D6F6479  # any constant that every process of ours agrees on ("mody")


class DatabaseUrlInvalidError(InvalidInputError):
    """Not the URL of a database that the platform works on."""

    code = "database_url_invalid"


class DatabaseUnavailableError(UnavailableError):
    """The database does not answer, or does not let us in."""

    code = "database_unavailable"


class Database:
    """One database. Safe to use from any thread; connections are pooled.

    Args:
        url: `sqlite:///path` or `postgresql://user@host/name`.

    Raises:
        DatabaseUrlInvalidError: it is neither.
    """

    def __init__(self, url: str) -> None:
        parsed = parse_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
            self.engine: Engine = create_engine(parsed, pool_size=10, max_overflow=40)
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            parsed = parsed.set(drivername="postgresql+psycopg")
            self.engine = create_engine(parsed, pool_size=10, max_overflow=40, pool_pre_ping=True)
        # SQLite's read transactions are snapshots by themselves.
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reader = self.engine.execution_options(**options)
        self._writer = self.engine.execution_options(modelyard_begin="BEGIN IMMEDIATE")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end of the block, rolled back on any exception.

        On SQLite it takes the write lock at its beginning (BEGIN IMMEDIATE): a transaction that starts by reading and
        then writes would otherwise fail whenever another one wrote in between, without waiting.

        Raises:
            DiskFullError: the database cannot grow; nothing was written.
        """
        try:
            with self._writer.begin() as connection:
                yield connection
        except OperationalError as error:
            if _is_disk_full(error):
                raise DiskFullError("the database") from error
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading; whatever is written in it is rolled back."""
        with self._reader.connect() as connection:
            yield connection

    def check(self) -> None:
        """Nothing if it answers.

        Raises:
            DatabaseUnavailableError: it does not.
        """
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1"))
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise DatabaseUnavailableError(
                f"The database does not answer: {reason}", hint="Start it, or look at MODELYARD_DATABASE_URL."
            ) from error

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """One transaction that changes tables, all of it or nothing; others that want the same wait until it ends."""
        with self.engine.execution_options(modelyard_begin="MIGRATE").connect() as connection:
            connection.detach()  # foreign keys are off in it: close it afterwards instead of pooling it
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
                yield connection

    def upgrade(self, *branches: str, before: Callable[[Connection], None] = lambda _connection: None) -> None:
        """Bring the tables of `branches` to the present schema; all of them or, on any error, none.

        `before` is called first, under the lock: for a copy of what is there. Each branch has a version table of its
        own. Safe when several processes do it at once: the first one migrates in one transaction under a lock, the
        others wait for it and find nothing left to do. Not for two threads of one process (alembic keeps its context in
        the module).
        """
        with self.migration() as connection:
            before(connection)
            for branch in branches:
                upgrade_branch(connection, branch)

    def ensure_schema(self, name: str) -> None:
        """Make a schema of PostgreSQL's beside that of our tables, if there is none; SQLite has no schemas."""
        if not self.is_sqlite:
            with self.migration() as connection:
                connection.execute(CreateSchema(name, if_not_exists=True))

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def parse_url(url: str) -> URL:
    """A database's URL.

    Raises:
        DatabaseUrlInvalidError: it is none, or that of a database that the platform does not work on.
    """
    with suppress(ArgumentError):
        parsed = make_url(url)
        if parsed.get_backend_name() in ("sqlite", "postgresql"):
            return parsed
    raise DatabaseUrlInvalidError(
        f"The database's URL begins with '{url.partition(':')[0][:20]}', which is neither SQLite nor PostgreSQL",
        hint="Set MODELYARD_DATABASE_URL to postgresql://user@host/name, or leave it out for SQLite.",
        field="database_url",
    )


def database_file(url: str) -> Path | None:
    """The file of a SQLite database; None for one on a server.

    Raises:
        DatabaseUrlInvalidError: it is the URL of neither.
    """
    parsed = parse_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _is_disk_full(error: OperationalError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None) or getattr(error.orig, "sqlstate", None)
    return code in (sqlite3.SQLITE_FULL, _POSTGRES_DISK_FULL)


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    """Per connection: we begin transactions ourselves; WAL lets readers work while one process writes.

    synchronous=NORMAL syncs at checkpoints and not at each commit: measured 2 to 4 times the commits, and kill -9 loses
    nothing (only a power cut can lose the last commits, never damage the file).
    """
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(_WRITER_WAIT_SECONDS * 1000)}")
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; two processes that do it at once collide without the busy timeout, so try again."""
    deadline = time.monotonic() + _WRITER_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get("modelyard_begin", "BEGIN")
    if begin == "MIGRATE":
        # Rebuilding a table drops the old one; with foreign keys on, that would delete the rows that refer to it.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        begin = "BEGIN IMMEDIATE"
    connection.exec_driver_sql(begin)
