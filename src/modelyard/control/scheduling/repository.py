"""All SQL of scheduling."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from modelyard.control.rest.pages import PageQuery
from modelyard.control.scheduling.records import Entry
from modelyard.control.scheduling.tables import host_capacities, project_use, queue_entries, queues, reservations
from modelyard.storage.keyset import keyset
from modelyard.types.compute.scheduling import EntryState, HostCapacity, Queue, Reservation
from modelyard.types.processes import NodeChoice


class EntryRepository:
    """Rows of unfinished jobs."""

    def insert(self, connection: Connection, entry: Entry) -> None:
        """Add a job."""
        connection.execute(insert(queue_entries).values(asdict(entry)))

    def get(self, connection: Connection, job: str) -> Entry | None:
        """A job that has not ended."""
        row = connection.execute(select(queue_entries).where(queue_entries.c.job == job)).mappings().one_or_none()
        return None if row is None else _entry(row)

    def of(self, connection: Connection, jobs: Iterable[str]) -> dict[str, Entry]:
        """Those of `jobs` that have not ended."""
        statement = select(queue_entries).where(queue_entries.c.job.in_([*jobs]))
        return {row["job"]: _entry(row) for row in connection.execute(statement).mappings()}

    def all(self, connection: Connection) -> list[Entry]:
        """Every unfinished job."""
        return [_entry(row) for row in connection.execute(select(queue_entries)).mappings()]

    def save(self, connection: Connection, entry: Entry) -> None:
        """Write a changed job."""
        connection.execute(update(queue_entries).where(queue_entries.c.job == entry.job).values(asdict(entry)))

    def delete(self, connection: Connection, job: str) -> None:
        """It has ended."""
        connection.execute(delete(queue_entries).where(queue_entries.c.job == job))

    def count(self, connection: Connection, queue: str) -> int:
        """Unfinished jobs of a queue."""
        statement = select(func.count()).where(queue_entries.c.queue == queue)
        return int(connection.execute(statement).scalar_one())

    def uses(self, connection: Connection) -> dict[str, tuple[float, datetime]]:
        """Project -> what it has used, as of when."""
        return {row.project: (row.used, row.at) for row in connection.execute(select(project_use))}

    def set_use(self, connection: Connection, project: str, used: float, at: datetime) -> None:
        """Replace what a project has used."""
        connection.execute(delete(project_use).where(project_use.c.project == project))
        connection.execute(insert(project_use).values(project=project, used=used, at=at))


class QueueRepository:
    """Queues and what hosts offer."""

    def get(self, connection: Connection, name: str) -> Queue | None:
        """A queue."""
        row = connection.execute(select(queues).where(queues.c.name == name)).mappings().one_or_none()
        return None if row is None else Queue(**row)

    def all(self, connection: Connection) -> list[Queue]:
        """Every queue."""
        return [Queue(**row) for row in connection.execute(select(queues)).mappings()]

    def list(self, connection: Connection, page: PageQuery) -> list[Queue]:
        """Queues by name."""
        statement = keyset(select(queues), [queues.c.name], page.after, page.limit)
        return [Queue(**row) for row in connection.execute(statement).mappings()]

    def insert(self, connection: Connection, queue: Queue) -> None:
        """Add a queue."""
        connection.execute(insert(queues).values(asdict(queue)))

    def save(self, connection: Connection, queue: Queue) -> None:
        """Write a changed queue."""
        connection.execute(update(queues).where(queues.c.name == queue.name).values(asdict(queue)))

    def delete(self, connection: Connection, name: str) -> None:
        """Remove a queue."""
        connection.execute(delete(queues).where(queues.c.name == name))

    def hosts(self, connection: Connection) -> Sequence[HostCapacity]:
        """Hosts whose capacity somebody has set."""
        return [HostCapacity(**row) for row in connection.execute(select(host_capacities)).mappings()]

    def set_host(self, connection: Connection, host: HostCapacity) -> None:
        """Replace a host's capacity."""
        connection.execute(delete(host_capacities).where(host_capacities.c.name == host.name))
        names = host_capacities.columns.keys()
        connection.execute(insert(host_capacities).values({name: getattr(host, name) for name in names}))


class ReservationRepository:
    """Reserved windows."""

    def insert(self, connection: Connection, reservation: Reservation) -> None:
        """Add one."""
        connection.execute(insert(reservations).values(asdict(reservation)))

    def open(self, connection: Connection, now: datetime) -> Sequence[Reservation]:
        """Those that have not ended."""
        statement = select(reservations).where(reservations.c.ends_at > now)
        return [Reservation(**row) for row in connection.execute(statement).mappings()]

    def begun(self, connection: Connection, now: datetime) -> Sequence[Reservation]:
        """Those whose window has begun, ended or not."""
        statement = select(reservations).where(reservations.c.starts_at <= now)
        return [Reservation(**row) for row in connection.execute(statement).mappings()]

    def get(self, connection: Connection, project: str, identifier: str) -> Reservation | None:
        """One of a project."""
        found = reservations.c.project == project, reservations.c.id == identifier
        row = connection.execute(select(reservations).where(*found)).mappings().one_or_none()
        return None if row is None else Reservation(**row)

    def list(self, connection: Connection, project: str, page: PageQuery) -> list[Reservation]:
        """Of a project, in the order in which they were made."""
        statement = select(reservations).where(reservations.c.project == project)
        statement = keyset(statement, [reservations.c.id], page.after, page.limit)
        return [Reservation(**row) for row in connection.execute(statement).mappings()]

    def delete(self, connection: Connection, identifier: str) -> None:
        """Remove one."""
        connection.execute(delete(reservations).where(reservations.c.id == identifier))


def _entry(row: object) -> Entry:
    values = dict(row)  # type: ignore[call-overload]
    return Entry(**{**values, "state": EntryState(values["state"]), "choice": NodeChoice(values["choice"])})
