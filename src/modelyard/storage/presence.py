"""Which control processes work on one database, and which of them has the duties that only one may do at a time.

No leader: each holds a lock of its PostgreSQL session under its own name for as long as it lives. The server lets go of
it when the session ends, however that came about, so a lock that is free proves that its process is dead or cut off.
On SQLite there is one control process by itself.
"""

import struct
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy import Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from modelyard.kit.locks import ResourceBusyError

LOOK_SECONDS = 2.0
GRACE_SECONDS = 10.0
"""Nobody takes over from a process that was away for less: it may have been started again, or lost its connection."""

_ENTER_SECONDS = 30.0
_NAMES, _DUTIES = 0x6D6F6401, 0x6D6F6402  # the classes of our advisory locks
# A machine that lost its power or its network is found out after ten seconds, by either side.
_KEEPALIVE = {"keepalives_idle": 4, "keepalives_interval": 2, "keepalives_count": 3, "connect_timeout": 5}
_SERVER_KEEPALIVE = "SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"

_log = structlog.get_logger(__name__)


class Presence(Protocol):
    """This process among those that work on the same database. Safe from any thread but for `enter` and `look`.

    Attributes:
        name: of this process.
        has_duties: whether it does what only one process of a database may do.
    """

    name: str
    has_duties: bool

    def enter(self) -> None:
        """Be there. Before any work."""

    def look(self) -> None:
        """Look around; every LOOK_SECONDS, from one thread."""

    def lives(self, name: str) -> bool:
        """Whether a process is there, or was until a moment ago."""

    def gone(self, names: Iterable[str]) -> list[str]:
        """Those whose work may be taken over."""


class Alone:
    """The one process on a SQLite database."""

    name = ""
    has_duties = True

    def enter(self) -> None:
        """Nobody has to know."""

    def look(self) -> None:
        """There is nobody else."""

    def lives(self, name: str) -> bool:
        """Whoever else worked here before works here no more."""
        return name == self.name

    def gone(self, names: Iterable[str]) -> list[str]:
        """Nobody: this process takes up whatever is there when it starts."""
        del names
        return []


class Among:
    """One of several processes on a PostgreSQL database.

    Args:
        url: of the database.
        applications: that it runs; it takes over from processes that run the same.
        identity: tells it from the others; the same after a restart.
        mark: a file that says that it had the duties last, and so may have them back at once.
        leave: ends this process: others may have taken over its work.
    """

    def __init__(self, url: str, applications: str, identity: str, mark: Path, leave: Callable[[], None]) -> None:
        self.name = f"{applications}/{identity}"
        self.has_duties = False
        self._applications = applications
        self._mark = mark
        self._leave = leave
        self._engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=_KEEPALIVE,
        )
        self._connection: Connection | None = None
        self._living: frozenset[int] = frozenset()
        self._free_since: dict[str, float] = {}
        self._duties_free_since: float | None = None
        self._looked_at = time.monotonic()

    def enter(self) -> None:
        """Take the lock of its name, which the session of an earlier run may hold for a moment still.

        Raises:
            ResourceBusyError: another process has this name.
        """
        deadline = time.monotonic() + _ENTER_SECONDS
        while not self._connect():
            if time.monotonic() > deadline:
                raise ResourceBusyError(
                    f"Another control process works on this database as '{self.name}'",
                    hint="Was a state directory copied? Remove control.id from one of the two.",
                )
            time.sleep(0.2)
        self._living = self._locked(_NAMES)
        self._try_duties(is_start=True)

    def look(self) -> None:
        """Find out who lives; have the duties if nobody has them. Cut off for long, it leaves."""
        try:
            if self._connection is None:
                is_back = self._connect()
                if not is_back or time.monotonic() - self._looked_at > GRACE_SECONDS:
                    self._leave()
            self._living = self._locked(_NAMES)
            self._looked_at = time.monotonic()
            if not self.has_duties:
                self._try_duties(is_start=False)
        except DBAPIError as error:
            _log.warning("database lost", reason=str(error.orig))
            self._close()

    def lives(self, name: str) -> bool:
        """See Presence."""
        free_since = self._free_since.get(name)
        is_free_for_long = free_since is not None and time.monotonic() - free_since >= GRACE_SECONDS
        return name == self.name or _key(name) in self._living or not is_free_for_long

    def gone(self, names: Iterable[str]) -> list[str]:
        """Those of the same applications whose lock has been free for GRACE_SECONDS of looks."""
        found, now = [], time.monotonic()
        if self._connection is None:
            return []
        for name in names:
            if name == self.name or name.rpartition("/")[0] not in (self._applications, ""):
                continue
            if _key(name) in self._living:
                self._free_since.pop(name, None)
            elif now - self._free_since.setdefault(name, now) >= GRACE_SECONDS:
                found.append(name)
        return found

    def _connect(self) -> bool:
        """A session that holds the lock; False if another one has it."""
        self._close()
        connection = self._engine.connect()
        connection.execute(text(_SERVER_KEEPALIVE))
        if not _try_lock(connection, _NAMES, self.name):
            connection.close()
            return False
        self._connection = connection
        return True

    def _close(self) -> None:
        connection, self._connection, self.has_duties = self._connection, None, False
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _locked(self, kind: int) -> frozenset[int]:
        query = text(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::bigint = :kind "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return frozenset(self._session.execute(query, {"kind": kind}).scalars())

    def _try_duties(self, *, is_start: bool) -> None:
        """At once if it had them last, or if it starts where nobody is; else once they have been free for long."""
        now = time.monotonic()
        if _key(self._applications) in self._locked(_DUTIES):
            self._duties_free_since = None
            self._mark.unlink(missing_ok=True)
            return
        if self._duties_free_since is None:
            self._duties_free_since = now
        is_first = self._mark.exists() or (is_start and self._living == {_key(self.name)})
        if not is_first and now - self._duties_free_since < GRACE_SECONDS:
            return
        if _try_lock(self._session, _DUTIES, self._applications):
            self._mark.touch()
            self.has_duties = True
            _log.info("has the duties of the database now", control=self.name)

    @property
    def _session(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("not connected")
        return self._connection


def check_not_in_use(connection: Connection) -> None:
    """Make sure that no control process works on this database.

    Raises:
        ResourceBusyError: one does.
    """
    if connection.dialect.name == "sqlite":
        return
    query = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = :kind "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    if connection.execute(query, {"kind": _NAMES}).scalar_one():
        raise ResourceBusyError("A control process works on this database", hint="Stop every platform on it first.")


def _key(name: str) -> int:
    return zlib.crc32(name.encode())


def _try_lock(connection: Connection, kind: int, name: str) -> bool:
    (signed,) = struct.unpack("i", struct.pack("I", _key(name)))  # the server takes a signed number
    query = text("SELECT pg_try_advisory_lock(:kind, :name)")
    return bool(connection.execute(query, {"kind": kind, "name": signed}).scalar_one())
