"""Rules of queues, hosts and reservations: what administrators set up."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.scheduling.board import Board
from modelyard.control.scheduling.errors import (
    HostNotFoundError,
    QueueExistsError,
    QueueInUseError,
    QueueNotFoundError,
    ReservationInvalidError,
    ReservationNotFoundError,
)
from modelyard.control.scheduling.records import reserved_of
from modelyard.control.scheduling.rule.reserving import choose_hosts
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name, new_id
from modelyard.storage.database import Database
from modelyard.types.compute.scheduling import DEFAULT_QUEUE, HostCapacity, Queue, Reservation


class QueueService:
    """Queues, the capacity of hosts, and reserved windows. `wake` tells the scheduler that something has changed."""

    def __init__(self, database: Database, board: Board, clock: Clock, wake: Callable[[], None]) -> None:
        self._database = database
        self._board = board
        self._clock = clock
        self._wake = wake

    def ensure_default(self) -> None:
        """Make the queue that jobs go to by default."""
        with self._database.transaction() as connection:
            if self._board.queues.get(connection, DEFAULT_QUEUE) is None:
                self._board.queues.insert(connection, self._new(DEFAULT_QUEUE, "Where jobs go that name no queue.", 0))

    def get(self, name: str) -> Queue:
        """A queue.

        Raises:
            QueueNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return _found(self._board.queues.get(connection, name), name)

    def list(self, page: PageQuery) -> Page[Queue]:
        """Queues by name."""
        with self._database.read() as connection:
            return page.page(self._board.queues.list(connection, page), lambda queue: (queue.name,))

    def create(self, name: str, description: str, priority: int) -> Queue:
        """A new queue.

        Raises:
            NameInvalidError: not a valid name.
            QueueExistsError: the name is taken.
        """
        check_name(name)
        with self._database.transaction() as connection:
            if self._board.queues.get(connection, name) is not None:
                raise QueueExistsError(f"There is a queue '{name}' already", hint="Choose another name.", field="name")
            queue = self._new(name, description, priority)
            self._board.queues.insert(connection, queue)
        return queue

    def update(self, name: str, *, description: str | None, priority: int | None, is_held: bool | None) -> Queue:
        """Change a queue; what is None stays.

        Raises:
            QueueNotFoundError: there is none.
        """
        with self._database.transaction() as connection:
            queue = _found(self._board.queues.get(connection, name), name)
            queue = replace(
                queue,
                description=queue.description if description is None else description,
                priority=queue.priority if priority is None else priority,
                is_held=queue.is_held if is_held is None else is_held,
                updated_at=self._clock.now(),
                version=queue.version + 1,
            )
            self._board.queues.save(connection, queue)
        self._wake()
        return queue

    def delete(self, name: str) -> None:
        """Remove an empty queue.

        Raises:
            QueueNotFoundError: there is none.
            QueueInUseError: jobs are in it, or it is the default one.
        """
        with self._database.transaction() as connection:
            _found(self._board.queues.get(connection, name), name)
            count = self._board.entries.count(connection, name)
            if name == DEFAULT_QUEUE or count:
                is_default = name == DEFAULT_QUEUE
                what = "is where jobs go that name no queue" if is_default else f"has {count} jobs"
                hint = "It stays; `--hold` lets nothing in it start." if is_default else "Move or stop its jobs first."
                raise QueueInUseError(f"Queue '{name}' {what}", hint=hint)
            self._board.queues.delete(connection, name)

    def hosts(self) -> Sequence[HostCapacity]:
        """Every host and what jobs may take of it."""
        with self._database.read() as connection:
            return self._board.hosts(connection)

    def set_host(self, host: HostCapacity) -> HostCapacity:
        """Another capacity; running jobs go on even if they hold more than that.

        Raises:
            HostNotFoundError: there is no such host.
        """
        with self._database.transaction() as connection:
            names = [each.name for each in self._board.hosts(connection)]
            if host.name not in names:
                raise HostNotFoundError(f"There is no host '{host.name}'", hint=f"There are: {', '.join(names)}.")
            self._board.queues.set_host(connection, host)
        self._wake()
        return host

    def reserve(
        self,
        project: str,
        *,
        cpus: float,
        memory_bytes: int | None,
        gpus: int,
        starts_at: datetime,
        ends_at: datetime,
        created_by: str,
        hosts: int = 1,
    ) -> Reservation:
        """Keep capacity for a project in a window, if it is free of reservations and of jobs that may still run then.

        Jobs that wait are planned around it; spot jobs make room when it begins. The amounts are those of each of its
        `hosts`. `memory_bytes` None: as large a part of a host's memory as of its cores, of the smallest that suits.

        Raises:
            ReservationInvalidError: the window is empty or over, or the capacity is taken.
        """
        now = self._clock.now()
        if not now <= starts_at < ends_at:
            raise ReservationInvalidError(
                "The window must begin after now and end after it begins", hint="Check the times and their zone."
            )
        with self._database.transaction() as connection:
            entries = self._board.entries.all(connection)
            state = self._board.state(connection, now, entries, {project, *(entry.project for entry in entries)})
            suited = _suited(self._board.hosts(connection), cpus, gpus)
            reservation = Reservation(
                id=new_id("reservation"),
                project=project,
                host="",
                cpus=cpus,
                memory_bytes=min(_memory(host, cpus) for host in suited) if memory_bytes is None else memory_bytes,
                gpus=gpus,
                starts_at=starts_at,
                ends_at=ends_at,
                created_at=now,
                created_by=created_by,
                hosts=hosts,
            )
            choice = choose_hosts(state, reserved_of(reservation, suited), hosts)
            if choice.reason:
                raise ReservationInvalidError(
                    f"The capacity cannot be reserved: {choice.reason}", hint="Choose another window, or less."
                )
            members = choice.hosts if hosts > 1 else ()
            reservation = replace(reservation, host=choice.hosts[0], member_hosts=members)
            self._board.reservations.insert(connection, reservation)
        self._wake()
        return reservation

    def list_reservations(self, project: str, page: PageQuery) -> Page[Reservation]:
        """A project's reservations."""
        with self._database.read() as connection:
            return page.page(self._board.reservations.list(connection, project, page), lambda each: (each.id,))

    def begun_reservations(self, now: datetime) -> Sequence[Reservation]:
        """Those of every project whose window has begun, ended or not; a cancelled one is gone."""
        with self._database.read() as connection:
            return self._board.reservations.begun(connection, now)

    def cancel_reservation(self, project: str, identifier: str) -> None:
        """Give reserved capacity back; jobs that run in it go on, jobs that wait for it say so.

        Raises:
            ReservationNotFoundError: the project has none of that id.
        """
        with self._database.transaction() as connection:
            if self._board.reservations.get(connection, project, identifier) is None:
                raise ReservationNotFoundError(
                    f"Project '{project}' has no reservation '{identifier}'", hint="List them: GET .../reservations."
                )
            self._board.reservations.delete(connection, identifier)
        self._wake()

    def _new(self, name: str, description: str, priority: int) -> Queue:
        now = self._clock.now()
        return Queue(
            name=name,
            description=description,
            priority=priority,
            is_held=False,
            created_at=now,
            updated_at=now,
            version=1,
        )


def _found(queue: Queue | None, name: str) -> Queue:
    if queue is None:
        raise QueueNotFoundError(f"There is no queue '{name}'", hint="`modelyard queues list` shows them.")
    return queue


def _suited(hosts: Sequence[HostCapacity], cpus: float, gpus: int) -> Sequence[HostCapacity]:
    """The hosts that are large enough and take jobs; all if none is, so that the rule says what is missing."""
    if not hosts:
        raise ReservationInvalidError(
            "There is no host whose capacity could be reserved", hint="`modelyard queues hosts` shows those that live."
        )
    return [host for host in hosts if host.cpus >= cpus and host.gpus >= gpus and host.jobs] or hosts


def _memory(host: HostCapacity, cpus: float) -> int:
    return int(host.memory_bytes * min(1.0, cpus / host.cpus)) if host.cpus else 0
