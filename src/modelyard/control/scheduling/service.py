"""Jobs in queues: entering, leaving, holding, moving; and what a job can never get is refused at once."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from modelyard.control.scheduling.board import Board
from modelyard.control.scheduling.errors import JobNeverFitsError, JobNotWaitingError, QueueNotFoundError
from modelyard.control.scheduling.records import Entry, host_of
from modelyard.control.scheduling.rule.deciding import never_fits
from modelyard.control.scheduling.rule.ordering import in_order
from modelyard.control.scheduling.rule.state import State
from modelyard.engines.checking import check_gpus
from modelyard.kit.clock import Clock
from modelyard.storage.database import Connection, Database
from modelyard.types.compute.scheduling import (
    DEFAULT_QUEUE,
    EntryState,
    HostCapacity,
    Placement,
    QueuedJob,
    QuotaUse,
    Reservation,
    Schedule,
)
from modelyard.types.processes import Resources

_NO_LIMIT_SECONDS = 365 * 86_400.0


class SchedulingService:
    """What jobs and people ask of the queues. Safe from any thread.

    `carry` is given the ticket of a job that is to be carried to its end; giving it twice is harmless.
    `awake` is set whenever something has changed that the next round should see at once.
    """

    def __init__(self, database: Database, board: Board, clock: Clock, carry: Callable[[str], None]) -> None:
        self.awake = threading.Event()
        self._database = database
        self._board = board
        self._entries = board.entries
        self._clock = clock
        self._carry = carry

    def place(
        self, job: str, project: str, resources: Resources, placement: Placement, expected_seconds: float | None = None
    ) -> Entry:
        """The entry of a new job, checked.

        Raises:
            QueueNotFoundError: there is no such queue.
            JobNeverFitsError: it could not start even on an empty machine; the message says why.
            InvalidInputError: so many accelerators cannot be had.
        """
        check_gpus(resources.gpus)
        now = self._clock.now()
        with self._database.read() as connection:
            hosts = [*self._board.hosts(connection), *self._board.possible()]
            entry = Entry(
                job=job,
                project=project,
                queue=placement.queue,
                state=EntryState.WAITING,
                priority=placement.priority,
                ranked_at=now,
                cpus=resources.cpus or 1.0,
                memory_bytes=placement.memory_bytes
                or _part(hosts, resources, 1 if placement.is_distributed else placement.hosts),
                gpus=max(placement.gpus, resources.gpus),
                limit_seconds=resources.time_limit_seconds or _NO_LIMIT_SECONDS,
                expected_seconds=expected_seconds,
                is_spot=placement.is_spot,
                is_held=placement.is_held,
                start_before=placement.start_before,
                reservation=placement.reservation,
                hosts=placement.hosts,
                is_distributed=placement.is_distributed,
                node_labels=resources.node_labels,
                gpu_kind=resources.gpu_kind,
                gpu_memory_bytes=resources.gpu_memory_bytes or 0,
                choice=resources.placement,
            )
            self._check_queue(connection, placement.queue)
            reason = never_fits(self._widest(connection, now, project), entry.request())
        if not reason and entry.start_before is not None and entry.start_before <= now:
            reason = "the moment by which it must have started has passed"
        if reason:
            one_host = " Members may share a host: `--same-node`." if entry.is_distributed else ""
            shown = "`modelyard queues hosts` shows what there is, `modelyard project show` the quota."
            raise JobNeverFitsError(
                f"The job can never start: {reason}",
                hint=f"Ask for less.{one_host} {shown}",
                field="resources",
            )
        return entry

    def enter(self, connection: Connection, entry: Entry) -> None:
        """Let a job wait, in the transaction that makes it."""
        self._entries.insert(connection, entry)

    def adopt(self, connection: Connection, entry: Entry) -> None:
        """Take in a job that was accepted before there were queues; whoever carries it goes on."""
        self._entries.insert(connection, replace(entry, state=EntryState.ADMITTED, admitted_at=self._clock.now()))

    def leave(self, connection: Connection, job: str) -> None:
        """The job has ended, in the transaction that says so."""
        entry = self._entries.get(connection, job)
        if entry is not None:
            self._board.charge(connection, entry, self._clock.now())
            self._entries.delete(connection, job)

    def wait_again(self, connection: Connection, job: str) -> None:
        """The job made room for others and keeps its place."""
        self._let_wait(connection, job, preemptions=1)

    def plan_again(self, connection: Connection, job: str) -> None:
        """The job's process is lost, perhaps with its host: it keeps its place and gets another host."""
        self._let_wait(connection, job, preemptions=0)

    def cancel(self, job: str) -> None:
        """Let a job that has not started end without; no effect on one that has."""
        with self._database.transaction() as connection:
            entry = self._entries.get(connection, job)
            if entry is None or entry.state is not EntryState.WAITING:
                return
            entry = replace(entry, state=EntryState.ENDING, admission=entry.admission + 1)
            self._entries.save(connection, entry)
        self._carry(entry.ticket)

    def entry(self, job: str) -> Entry | None:
        """Where a job stands; None: it has ended."""
        with self._database.read() as connection:
            return self._entries.get(connection, job)

    def schedules(self, jobs: Iterable[str]) -> Mapping[str, Schedule]:
        """Job -> where it stands, for those that have not ended."""
        with self._database.read() as connection:
            return {job: entry.schedule() for job, entry in self._entries.of(connection, jobs).items()}

    def tickets(self) -> list[str]:
        """Of every job that somebody must carry."""
        with self._database.read() as connection:
            return [each.ticket for each in self._entries.all(connection) if each.state is not EntryState.WAITING]

    def hold(self, project: str, job: str, *, is_held: bool) -> Schedule:
        """Keep a waiting job from starting, or let it again.

        Raises:
            JobNotWaitingError: it does not wait.
        """
        return self._change(project, job, lambda entry: replace(entry, is_held=is_held))

    def rank(self, project: str, job: str, *, priority: int | None, queue: str | None) -> Schedule:
        """Another priority or another queue for a waiting job.

        Raises:
            JobNotWaitingError: it does not wait.
            QueueNotFoundError: there is no such queue.
        """
        if queue is not None:
            with self._database.read() as connection:
                self._check_queue(connection, queue)
        return self._change(
            project,
            job,
            lambda entry: replace(
                entry,
                priority=entry.priority if priority is None else priority,
                queue=entry.queue if queue is None else queue,
            ),
        )

    def move(self, project: str, job: str, before: str) -> Schedule:
        """Put a waiting job before another of the same project and queue.

        The places stay the same; the project's own jobs change among them, so that nobody else is moved.

        Raises:
            JobNotWaitingError: one of them does not wait, or they are not in the same queue.
        """
        with self._database.transaction() as connection:
            entry, other = (self._waiting(connection, project, each) for each in (job, before))
            if entry.queue != other.queue:
                raise JobNotWaitingError(
                    f"Job '{before}' is in queue '{other.queue}'", hint=f"Move '{job}' to that queue first."
                )
            line = [each for each in self._line(connection) if (each.project, each.queue) == (project, entry.queue)]
            places = [(each.priority, each.ranked_at) for each in line]
            order = [each for each in line if each.job != job]
            order.insert([each.job for each in order].index(before), entry)
            for each, (priority, ranked_at) in zip(order, places, strict=True):
                self._entries.save(connection, replace(each, priority=priority, ranked_at=ranked_at))
            moved = self._waiting(connection, project, job)
        self.awake.set()
        return moved.schedule()

    def usage(self, project: str) -> list[QuotaUse]:
        """What a project's running jobs and its open reservations hold, beside what they may."""
        now = self._clock.now()
        with self._database.read() as connection:
            entries = [each for each in self._entries.all(connection) if each.project == project]
            reservations = self._board.reservations.open(connection, now)
        running = [each for each in entries if each.holds_capacity]
        held: list[tuple[Entry | Reservation, int]] = [
            (each, each.hosts) for each in running if each.reservation is None
        ]
        held += [(each, each.hosts) for each in reservations if each.project == project and each.starts_at <= now]
        quota = self._board.quotas.of(project)
        return [
            QuotaUse(name="running_jobs", used=len(running), limit=quota.running_jobs),
            QuotaUse(name="cpus", used=sum(each.cpus * count for each, count in held), limit=quota.cpus),
            QuotaUse(
                name="memory_bytes",
                used=sum(each.memory_bytes * count for each, count in held),
                limit=quota.memory_bytes,
            ),
            QuotaUse(name="gpus", used=sum(each.gpus * count for each, count in held), limit=quota.gpus),
        ]

    def line(self, queue: str, project: str | None) -> list[QueuedJob]:
        """Jobs of a queue, those that run first, then in the order of their turn; only `project`'s if it is given.

        Raises:
            QueueNotFoundError: there is no such queue.
        """
        with self._database.read() as connection:
            self._check_queue(connection, queue)
            running = [each for each in self._entries.all(connection) if each.state is not EntryState.WAITING]
            found = [(0, each) for each in running if each.queue == queue]
            found += [
                (position, each) for position, each in enumerate(self._line(connection), 1) if each.queue == queue
            ]
        return [
            QueuedJob(job=each.job, project=each.project, position=position, schedule=each.schedule())
            for position, each in found
            if project in (None, each.project)
        ]

    def _widest(self, connection: Connection, now: datetime, project: str) -> State:
        """Every host that there is, or that would come for a job."""
        state = self._board.state(connection, now, (), {project})
        return replace(state, hosts=(*state.hosts, *(host_of(each) for each in self._board.possible())))

    def _let_wait(self, connection: Connection, job: str, *, preemptions: int) -> None:
        entry = self._entries.get(connection, job)
        if entry is None:
            return
        self._board.charge(connection, entry, self._clock.now())
        counted = entry.preemptions + preemptions
        again = replace(
            entry, state=EntryState.WAITING, admitted_at=None, host=None, member_hosts=(), preemptions=counted
        )
        self._entries.save(connection, again)

    def _line(self, connection: Connection) -> list[Entry]:
        """Waiting jobs in the order of their turn."""
        entries = self._entries.all(connection)
        by_job = {entry.job: entry for entry in entries}
        state = self._board.state(connection, self._clock.now(), entries, {entry.project for entry in entries})
        return [by_job[request.id] for request in in_order(state)]

    def _change(self, project: str, job: str, change: Callable[[Entry], Entry]) -> Schedule:
        with self._database.transaction() as connection:
            changed = change(self._waiting(connection, project, job))
            self._entries.save(connection, changed)
        self.awake.set()
        return changed.schedule()

    def _waiting(self, connection: Connection, project: str, job: str) -> Entry:
        entry = self._entries.get(connection, job)
        if entry is None or entry.project != project or entry.state is not EntryState.WAITING:
            raise JobNotWaitingError(
                f"Job '{job}' does not wait in project '{project}'",
                hint="It runs, has ended, or is not there: `modelyard jobs show ID`. What runs can only be stopped.",
            )
        return entry

    def _check_queue(self, connection: Connection, name: str) -> None:
        if name != DEFAULT_QUEUE and self._board.queues.get(connection, name) is None:
            raise QueueNotFoundError(
                f"There is no queue '{name}'", hint="`modelyard queues list` shows them.", field="queue"
            )


def _part(hosts: Iterable[HostCapacity], resources: Resources, members: int) -> int:
    """Memory that is reserved for each member of a job that names none, at most its limit.

    `members` is how many of them share a host. An equal part of the memory of the smallest host that has the cores and
    the accelerators that it asks for.
    """
    suited = [
        host
        for host in hosts
        if not host.traits.lacks(resources.node_wish)
        and host.cpus >= (resources.cpus or 0.0) * members
        and host.gpus >= resources.gpus * members
    ]
    part = min((host.memory_bytes // (max(1, host.jobs) * members) for host in suited), default=0)
    return min(part, resources.memory_bytes or part)
