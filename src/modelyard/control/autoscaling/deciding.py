"""Which nodes are to come and which to go: one pure function of the queue, of the nodes and of their kinds.

What it guarantees (tests/unit/control/autoscaling holds it to this):

- never more nodes of a kind than it may have, and none is ended below what it must have;
- a node comes only for a job that fits on no node that is there or on its way, and that its project may run;
- all the nodes of a gang come, or none;
- a node goes only after it has been idle for long enough, and not if a waiting job would take it or a reservation
  names it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from modelyard.control.scheduling.rule.amounts import Amounts, missing
from modelyard.control.scheduling.rule.ordering import in_order
from modelyard.control.scheduling.rule.state import Host, Request, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Nodes that can be started. `host`: what each will offer, under any name."""

    name: str
    least: int
    most: int
    host: Host
    idle_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A node that was started. `is_up`: it takes work, and is a host of the state. `idle_seconds` 0: it works."""

    name: str
    kind: str
    is_up: bool
    idle_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """Start a node of this kind."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """End this node."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to do now."""

    coming: tuple[Coming, ...] = ()
    going: tuple[Going, ...] = ()


def decide(state: State, kinds: Sequence[Kind], nodes: Sequence[Standing]) -> Changes:
    """What to start and what to end at this moment.

    Args:
        state: hosts that are up, what runs on them and what waits.
        kinds: in any order; the smallest that a job fits on is taken.
        nodes: those that were started and have not ended, also those that are on their way.
    """
    room = _Room(state, kinds, nodes)
    for kind in kinds:
        for _ in range(kind.least - room.count[kind.name]):
            room.add(kind, f"there are to be {kind.least} of its kind")
    for request in _startable(state):
        room.place(request)
    return Changes(coming=tuple(room.coming), going=tuple(_idle(room, kinds, nodes)))


class _Room:
    """What is free on nodes that are there or on their way, and will be on those that are to come."""

    def __init__(self, state: State, kinds: Sequence[Kind], nodes: Sequence[Standing]) -> None:
        by_name = {kind.name: kind for kind in kinds}
        self._state = state
        self._kinds = sorted(kinds, key=lambda kind: (kind.host.capacity.milligpus, *kind.host.capacity, kind.name))
        self._hosts = {host.name: host for host in state.hosts}
        self._free = {host.name: host.room for host in state.hosts}
        self.count = Counter(node.kind for node in nodes)
        self.taken = {name for reserved in state.reservations for name in reserved.hosts}
        self.coming: list[Coming] = []
        for node in nodes:
            if not node.is_up and node.kind in by_name:
                self._open(node.name, by_name[node.kind].host)
        self._held: dict[str, Amounts] = {}
        begun = {each.id: each for each in state.reservations if each.starts_at <= state.now}
        for reserved in begun.values():
            for name in reserved.hosts:
                self._take(name, reserved.need)
        for running in state.running:
            for name in running.hosts if running.request.reservation not in begun else ():
                self._take(name, running.request.need)
            self._charge(running.request, len(running.hosts))

    def add(self, kind: Kind, reason: str) -> str:
        """Have a node come; the name of its room."""
        name = f"{kind.name} {len(self.coming)}"  # no node has a space in its name
        self.coming.append(Coming(kind=kind.name, reason=reason))
        self.count[kind.name] += 1
        self._open(name, kind.host)
        return name

    def place(self, request: Request) -> None:
        """Take room for a job, on nodes that come for it if there is none; none comes if that would not be enough."""
        quota = self._state.quota(request.project)
        held = self._held.get(request.project, Amounts())
        if missing(held.plus(request.need.times(request.hosts)), quota):
            return
        found = [name for name in self._free if self._fits(name, request)][: request.distinct_hosts]
        lacking = request.distinct_hosts - len(found)
        if lacking:
            kind = next((each for each in self._kinds if self._can_add(each, request, lacking)), None)
            if kind is None:
                return
            found += [self.add(kind, f"job '{request.id}' waits for it") for _ in range(lacking)]
        for name in found:
            self._take(name, request.need_of_host)
            self.taken.add(name)
        self._charge(request, request.hosts)

    def _can_add(self, kind: Kind, request: Request, count: int) -> bool:
        return kind.host.could_run(request) and self.count[kind.name] + count <= kind.most

    def _fits(self, name: str, request: Request) -> bool:
        return self._hosts[name].could_run(request) and request.need_of_host.fits_in(self._free[name])

    def _open(self, name: str, host: Host) -> None:
        self._hosts[name] = replace(host, name=name)
        self._free[name] = host.room

    def _take(self, name: str, need: Amounts) -> None:
        if name in self._free:
            self._free[name] = self._free[name].minus(need)

    def _charge(self, request: Request, hosts: int) -> None:
        before = self._held.get(request.project, Amounts())
        self._held[request.project] = before.plus(request.need.times(hosts))


def _startable(state: State) -> list[Request]:
    """Waiting jobs in their order, without those that nothing but time or people can help."""
    held = {name for name, queue in state.queues.items() if queue.is_held}
    free = tuple(
        each
        for each in state.waiting
        if not each.is_held
        and each.queue not in held
        and each.reservation is None
        and (each.start_before is None or each.start_before >= state.now)
    )
    return list(islice(in_order(replace(state, waiting=free)), state.policy.depth))


def _idle(room: _Room, kinds: Sequence[Kind], nodes: Sequence[Standing]) -> list[Going]:
    """Nodes that nothing needs any more, those that have been idle longest first."""
    by_name, left, going = {kind.name: kind for kind in kinds}, Counter(room.count), []
    for node in sorted(nodes, key=lambda node: (-node.idle_seconds, node.name)):
        kind = by_name.get(node.kind)
        patience = kind.idle_seconds if kind else 0.0
        is_idle = node.is_up and node.idle_seconds > 0 and node.idle_seconds >= patience
        if is_idle and node.name not in room.taken and left[node.kind] > (kind.least if kind else 0):
            left[node.kind] -= 1
            going.append(Going(node=node.name, reason=f"it did nothing for {node.idle_seconds:.0f} s"))
    return going
