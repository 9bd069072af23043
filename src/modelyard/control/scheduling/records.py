"""A job's row in the queue, and how it looks to the rule and to people."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

from modelyard.control.scheduling.rule.amounts import MILLI, UNLIMITED, Amounts
from modelyard.control.scheduling.rule.state import Host, QueueState, Request, Reserved, Running
from modelyard.types.compute.nodes import NodeWish
from modelyard.types.compute.scheduling import EntryState, HostCapacity, Queue, Quota, Reservation, Schedule
from modelyard.types.processes import NodeChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An unfinished job. See tables.queue_entries.

    The members of a gang either have a host each (`is_distributed`), which the rule chooses in one decision, or share
    one, in one sandbox. Of the latter the rule sees one job with the needs of all of them, so that it starts whole or
    not at all by construction.
    """

    job: str
    project: str
    queue: str
    state: EntryState
    priority: int
    ranked_at: datetime
    cpus: float
    memory_bytes: int
    gpus: float
    limit_seconds: float
    expected_seconds: float | None
    is_spot: bool
    is_held: bool
    start_before: datetime | None
    reservation: str | None
    admission: int = 0
    admitted_at: datetime | None = None
    host: str | None = None
    hosts: int = 1
    is_distributed: bool = False
    member_hosts: tuple[str, ...] = ()
    preemptions: int = 0
    reason: str = ""
    planned_start: datetime | None = None
    expected_start: datetime | None = None
    node_labels: dict[str, str] = field(default_factory=dict, hash=False)
    gpu_kind: str = ""
    gpu_memory_bytes: int = 0
    choice: NodeChoice = NodeChoice.ANY

    @property
    def ticket(self) -> str:
        """Names this admission: the workflow that carries the job has it as its id, so that it runs once."""
        return f"{self.job}/{self.admission}" if self.admission else self.job

    @property
    def holds_capacity(self) -> bool:
        """True from its admission until it has ended or left."""
        return self.state in (EntryState.ADMITTED, EntryState.LEAVING)

    @property
    def held_hosts(self) -> tuple[str, ...]:
        """Where it holds capacity."""
        return self.member_hosts or ((self.host,) if self.host else ())

    def request(self) -> Request:
        """As the rule sees it."""
        each = _amounts(self.cpus, self.memory_bytes, self.gpus, 1)
        return Request(
            id=self.job,
            project=self.project,
            queue=self.queue,
            need=each if self.is_distributed else each.times(self.hosts),
            hosts=self.hosts if self.is_distributed else 1,
            limit_seconds=self.limit_seconds,
            expected_seconds=self.expected_seconds,
            ranked_at=self.ranked_at.timestamp(),
            priority=self.priority,
            is_spot=self.is_spot,
            is_held=self.is_held,
            start_before=self.start_before.timestamp() if self.start_before else None,
            reservation=self.reservation,
            wish=NodeWish(labels=self.node_labels, gpu_kind=self.gpu_kind, gpu_memory_bytes=self.gpu_memory_bytes),
            choice=self.choice,
        )

    def running(self) -> Running:
        """As the rule sees it once it holds capacity."""
        return Running(
            request=self.request(),
            hosts=self.held_hosts,
            started_at=(self.admitted_at or self.ranked_at).timestamp(),
            is_leaving=self.state is EntryState.LEAVING,
        )

    def schedule(self) -> Schedule:
        """As people see it."""
        return Schedule(
            state=self.state,
            queue=self.queue,
            priority=self.priority,
            is_spot=self.is_spot,
            is_held=self.is_held,
            start_before=self.start_before,
            reservation=self.reservation,
            cpus=self.cpus,
            memory_bytes=self.memory_bytes,
            gpus=self.gpus,
            reason=self.reason,
            planned_start=self.planned_start,
            expected_start=self.expected_start,
            admitted_at=self.admitted_at,
            host=self.host,
            hosts=self.hosts,
            member_hosts=self.member_hosts,
            preemptions=self.preemptions,
            queued_at=self.ranked_at,
        )


def host_of(capacity: HostCapacity) -> Host:
    """A host as the rule sees it."""
    used = capacity.in_use
    return Host(
        name=capacity.name,
        capacity=_amounts(capacity.cpus, capacity.memory_bytes, capacity.gpus, capacity.jobs),
        held=_amounts(used.cpus, used.memory_bytes, used.gpus, 0),
        traits=capacity.traits,
    )


def queue_of(queue: Queue) -> QueueState:
    """A queue as the rule sees it."""
    return QueueState(name=queue.name, priority=queue.priority, is_held=queue.is_held)


def reserved_of(reservation: Reservation, hosts: Collection[HostCapacity]) -> Reserved:
    """A reservation as the rule sees it, on these hosts: a place for a job with each core."""
    jobs = min(ceil(reservation.cpus), *(host.jobs for host in hosts))
    return Reserved(
        id=reservation.id,
        project=reservation.project,
        need=_amounts(reservation.cpus, reservation.memory_bytes, reservation.gpus, jobs),
        hosts=tuple(host.name for host in hosts),
        starts_at=reservation.starts_at.timestamp(),
        ends_at=reservation.ends_at.timestamp(),
    )


def quota_of(quota: Quota) -> Amounts:
    """A quota as the rule sees it."""
    return Amounts(
        UNLIMITED if quota.cpus is None else round(quota.cpus * MILLI),
        UNLIMITED if quota.memory_bytes is None else quota.memory_bytes,
        UNLIMITED if quota.gpus is None else quota.gpus * MILLI,
        UNLIMITED if quota.running_jobs is None else quota.running_jobs,
    )


def _amounts(cpus: float, memory_bytes: int, gpus: float, jobs: int) -> Amounts:
    return Amounts(round(cpus * MILLI), memory_bytes, round(gpus * MILLI), jobs)
