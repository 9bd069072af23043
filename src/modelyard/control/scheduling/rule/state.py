"""What the rule looks at: one moment, as plain data. Times are seconds of one clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelyard.control.scheduling.rule.amounts import NOTHING, UNBOUNDED, Amounts
from modelyard.types.compute.nodes import NodeTraits, NodeWish
from modelyard.types.processes import NodeChoice

_NO_TRAITS, _NO_WISH = NodeTraits(), NodeWish()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine. Its capacity does not change with what runs on it.

    Attributes:
        held: what of its capacity others hold than jobs of the queues; nobody knows for how long.
        traits: its labels and what its accelerators are.
    """

    name: str
    capacity: Amounts
    held: Amounts = NOTHING
    traits: NodeTraits = _NO_TRAITS

    @property
    def room(self) -> Amounts:
        """What is left for jobs."""
        return self.capacity.minus(self.held)

    def could_run(self, request: "Request") -> bool:
        """Whether what the job takes of one host would fit if nothing ran here."""
        return request.need_of_host.fits_in(self.capacity) and not self.traits.lacks(request.wish)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A job, as far as its start is concerned.

    Attributes:
        need: on each of its hosts; `jobs` is 1.
        hosts: a gang of so many processes, each on a host of its own, all at once or not at all.
        limit_seconds: it is ended after this long, so its capacity is free by then.
        expected_seconds: how long it will probably take; used for forecasts only.
        ranked_at: since when it waits, for its place in the queue.
        priority: added to that of its queue.
        is_spot: it may be ended for others and comes back later.
        start_before: it is given up if it could not start by then (flex start); None: it waits as long as it takes.
        reservation: runs on that reserved capacity only.
        is_held: keeps its place and does not start.
        wish: what each of its hosts must be, beyond amounts.
        choice: of the hosts that could take it, which does.
    """

    id: str
    project: str
    queue: str
    need: Amounts
    limit_seconds: float
    ranked_at: float
    hosts: int = 1
    expected_seconds: float | None = None
    priority: int = 0
    is_spot: bool = False
    start_before: float | None = None
    reservation: str | None = None
    is_held: bool = False
    wish: NodeWish = _NO_WISH
    choice: NodeChoice = NodeChoice.ANY

    @property
    def is_together(self) -> bool:
        """Whether all of a gang goes to one host."""
        return self.choice is NodeChoice.SAME_NODE

    @property
    def distinct_hosts(self) -> int:
        """How many different hosts it takes."""
        return 1 if self.is_together else self.hosts

    @property
    def need_of_host(self) -> Amounts:
        """What it takes of each of those."""
        return self.need.together(self.hosts) if self.is_together else self.need

    @property
    def likely_seconds(self) -> float:
        """How long it will probably take, never more than it may."""
        return self.limit_seconds if self.expected_seconds is None else min(self.expected_seconds, self.limit_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A job that holds capacity. `is_leaving`: it was asked to make room and is on its way out."""

    request: Request
    hosts: tuple[str, ...]
    started_at: float
    is_leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """A queue: its priority is added to that of its jobs; a held one starts nothing."""

    name: str
    priority: int = 0
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """Capacity that belongs to a project between two moments, on these hosts."""

    id: str
    project: str
    need: Amounts
    hosts: tuple[str, ...]
    starts_at: float
    ends_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The weights of the order.

    Attributes:
        seconds_per_point: a job that has waited this long longer is worth one point of priority more. Waiting has no
            upper bound and everything else has, which is why nothing waits for ever.
        fair_points: what a project that has used nothing gains over one that has used far more than its share.
        depth: so many waiting jobs get a planned start; those behind them are looked at when they come closer.
        leave_seconds: a job that is over its limit, or leaves for others, is presumed to be gone after this long.
    """

    seconds_per_point: float = 360.0
    fair_points: float = 50.0
    depth: int = 200
    leave_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything at one moment.

    Attributes:
        quotas: project -> the most that its running jobs and reservations may hold together; missing: no limit.
        shares: project -> its weight; missing: 1.
        usage: project -> what it has used lately, in seconds of the whole capacity; older use counts for less.
    """

    now: float
    hosts: tuple[Host, ...]
    queues: Mapping[str, QueueState] = field(default_factory=dict)
    waiting: tuple[Request, ...] = ()
    running: tuple[Running, ...] = ()
    reservations: tuple[Reserved, ...] = ()
    quotas: Mapping[str, Amounts] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)

    @property
    def capacity(self) -> Amounts:
        """Of all hosts together."""
        total = Amounts()
        for host in self.hosts:
            total = total.plus(host.capacity)
        return total

    def quota(self, project: str) -> Amounts:
        """What the project may hold."""
        return self.quotas.get(project, UNBOUNDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start this job on these hosts now."""

    job: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What to do now, and what to expect.

    Attributes:
        starts: these fit now.
        preempt: spot jobs that make room for a job that is to start; it starts once they are gone.
        expired: jobs whose flex start deadline has passed.
        reasons: waiting job -> why it waits, in words.
        planned: waiting job -> start at the latest, if nothing of higher order comes.
    """

    starts: tuple[Start, ...] = ()
    preempt: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    planned: Mapping[str, float] = field(default_factory=dict)
