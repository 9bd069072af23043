"""Queues, hosts, reservations, and a job's place among them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.compute.nodes import NodeTraits, NodeUse

DEFAULT_QUEUE = "default"


class EntryState(StrEnum):
    """A job's life in the queue.

    WAITING; ADMITTED: it holds its capacity; LEAVING: it holds it still and makes room for others; ENDING: it holds
    none and is about to end without having started.
    """

    WAITING = "WAITING"
    ADMITTED = "ADMITTED"
    LEAVING = "LEAVING"
    ENDING = "ENDING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The most that a project may have at the same time; None: no limit.

    Attributes:
        running_jobs: jobs that run.
        cpus: cores of its running jobs and reservations.
        memory_bytes: their memory.
        gpus: their GPUs.
        storage_bytes: dataset and model versions together.
        endpoints: endpoints.
        share: its weight when projects share the machine: a project of weight 2 gets twice what one of weight 1 gets.
    """

    running_jobs: int | None = None
    cpus: float | None = None
    memory_bytes: int | None = None
    gpus: int | None = None
    storage_bytes: int | None = None
    endpoints: int | None = None
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """What a project has of one thing in its quota. `limit` None: no limit."""

    name: str
    used: float
    limit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a job asks of the scheduler.

    Attributes:
        queue: it waits there.
        priority: -10 to 10, added to its queue's.
        is_spot: it costs less, may be ended for others and is started again later.
        is_held: it keeps its place and does not start until it is released.
        start_before: flex start: it ends without having run if there was no capacity by then.
        reservation: it runs on this reserved capacity only.
        memory_bytes: memory that is reserved for it; None: an equal part of the host's.
        gpus: GPUs that are reserved for it.
        hosts: a gang of so many members, each with these resources, all at once or not at all.
        is_distributed: each of them has a host of its own; otherwise they share one.
    """

    queue: str = DEFAULT_QUEUE
    priority: int = 0
    is_spot: bool = False
    is_held: bool = False
    start_before: datetime | None = None
    reservation: str | None = None
    memory_bytes: int | None = None
    gpus: float = 0
    hosts: int = 1
    is_distributed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Where an unfinished job stands.

    Attributes:
        reason: why it waits.
        planned_start: it starts by then unless something of higher order comes; from the jobs' time limits.
        expected_start: when it will probably start, from how long such jobs took before.
        host: where it runs; of a gang on several hosts its first member.
        member_hosts: of a gang on several hosts, by rank.
        hosts: members of a gang; `cpus`, `memory_bytes` and `gpus` are what each of them has.
        preemptions: how often it made room for others.
        queued_at: since when it waits, for its place; moving a job changes it.
    """

    state: EntryState
    queue: str
    priority: int
    is_spot: bool
    is_held: bool
    start_before: datetime | None
    reservation: str | None
    cpus: float
    memory_bytes: int
    gpus: float
    reason: str
    planned_start: datetime | None
    expected_start: datetime | None
    admitted_at: datetime | None
    host: str | None
    preemptions: int
    queued_at: datetime
    hosts: int = 1
    member_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A line of a queue: what is ahead of whom. `position` is 1 for the next one, 0 for those that run."""

    job: str
    project: str
    position: int
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Jobs wait in queues; a queue's priority (-100 to 100) is added to that of its jobs. A held one starts nothing."""

    name: str
    description: str
    priority: int
    is_held: bool
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCapacity:
    """What jobs may take of a machine.

    Attributes:
        jobs: as many run at the same time, however small.
        traits: its labels and what its accelerators are.
        in_use: what others than jobs hold of it now, replicas for example.
    """

    name: str
    cpus: float
    memory_bytes: int
    gpus: int
    jobs: int
    traits: NodeTraits = field(default_factory=NodeTraits)
    in_use: NodeUse = field(default_factory=NodeUse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Capacity that a project has for itself between two moments.

    Attributes:
        host: where it is; of one on several hosts the first.
        cpus, memory_bytes, gpus: on each of its hosts.
        hosts: on so many, all of them or none.
        member_hosts: of one on several hosts, which.
    """

    id: str
    project: str
    host: str
    cpus: float
    memory_bytes: int
    gpus: int
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    created_by: str
    hosts: int = 1
    member_hosts: tuple[str, ...] = ()

    @property
    def held_hosts(self) -> tuple[str, ...]:
        """Where capacity is kept."""
        return self.member_hosts or (self.host,)
