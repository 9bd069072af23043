"""Plans a start for every waiting job: conservative backfilling on top of what runs and what is reserved."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from modelyard.control.scheduling.rule.amounts import Amounts
from modelyard.control.scheduling.rule.state import Request, Reserved, Running, State
from modelyard.control.scheduling.rule.timeline import Timeline
from modelyard.types.processes import NodeChoice

Seconds = Callable[[Request], float]


@dataclass(frozen=True, slots=True)
class Planned:
    """The first moment at which a job fits, and where; `is_free`: nothing has to leave for it."""

    request: Request
    start: float
    hosts: tuple[str, ...]
    is_free: bool = True


@dataclass(slots=True)
class Plan:
    """Starts in the order in which they were planned. A job that is in none of the lists lies beyond the depth."""

    starts: list[Planned] = field(default_factory=list)
    never: list[Request] = field(default_factory=list)


def plan(state: State, ordered: Iterable[Request], seconds: Seconds) -> Plan:
    """Give each job the first place where it fits without moving a job of higher order, or running ones.

    Args:
        state: the moment.
        ordered: the waiting jobs that may start, in their order.
        seconds: how long a job holds its capacity: its limit for decisions, its likely time for forecasts.
    """
    made = Plan()
    requests = list(ordered)
    views = _Views(state, seconds)
    # Spot jobs come after all others, whatever their order: they would have to leave again.
    for request in sorted(requests, key=lambda each: each.is_spot):
        planned = views.place(request)
        if planned is None:
            made.never.append(request)
        else:
            made.starts.append(planned)
    return made


class _Views:
    """The timelines: all that is taken; what is left where spot jobs leave; and one for each reservation."""

    def __init__(self, state: State, seconds: Seconds) -> None:
        self._state = state
        self._seconds = seconds
        self._traits = {host.name: host.traits for host in state.hosts}
        hosts = {host.name: host.room for host in state.hosts}
        self._everything = Timeline(state.now, hosts, state.quotas)
        self._firm = Timeline(state.now, hosts, state.quotas)
        self._inside = {each.id: _reserved(state.now, each) for each in state.reservations}
        for reserved in state.reservations:
            self._take(reserved.starts_at, reserved.ends_at, reserved.hosts, reserved.need, reserved.project)
        for running in state.running:
            self._hold(running)

    def place(self, request: Request) -> Planned | None:
        """Where and when a job fits; it is taken there."""
        if request.reservation is not None:
            return self._place_inside(request, request.reservation)
        view = self._everything if request.is_spot else self._firm
        found = self._earliest(view, request)
        if found is None:
            return None
        start, hosts = found
        is_free = request.is_spot or start > self._state.now
        if not is_free:
            free = self._earliest(self._everything, request)
            is_free = free is not None and free[0] <= self._state.now
            hosts = free[1] if free is not None and is_free else hosts
        end = start + self._seconds(request)
        self._take(start, end, hosts, request.need, request.project, is_spot=request.is_spot)
        return Planned(request, start, hosts, is_free)

    def _earliest(self, view: Timeline, request: Request) -> tuple[float, tuple[str, ...]] | None:
        found = view.earliest(
            request.need_of_host,
            request.distinct_hosts,
            self._seconds(request),
            request.project,
            request.need.times(request.hosts),
            lambda host: host not in self._traits or not self._traits[host].lacks(request.wish),
            is_spread=request.choice is NodeChoice.SPREAD,
        )
        if found is None or not request.is_together:
            return found
        return found[0], found[1] * request.hosts  # the host's name once for each of its processes

    def _place_inside(self, request: Request, reservation: str) -> Planned | None:
        view = self._inside.get(reservation)
        if view is None:
            return None
        found = self._earliest(view, request)
        if found is None:
            return None
        start, hosts = found
        view.take(start, start + self._seconds(request), hosts, request.need)
        return Planned(request, start, hosts)

    def _hold(self, running: Running) -> None:
        """Take what a running job holds, until it must be gone."""
        request, now = running.request, self._state.now
        end = running.started_at + self._seconds(request)
        if running.is_leaving or end <= now:
            end = now + self._state.policy.leave_seconds
        view = self._inside.get(request.reservation) if request.reservation is not None else None
        if view is None:
            is_spot = request.is_spot and not running.is_leaving
            self._take(now, end, running.hosts, request.need, request.project, is_spot=is_spot)
            return
        view.take(now, end, running.hosts, request.need)
        ends_at = next(each.ends_at for each in self._state.reservations if each.id == request.reservation)
        self._take(max(now, ends_at), end, running.hosts, request.need, request.project)

    def _take(
        self,
        start: float,
        end: float,
        hosts: tuple[str, ...],
        need: Amounts,
        project: str,
        *,
        is_spot: bool = False,
    ) -> None:
        for view in (self._everything, self._firm):
            view.charge(start, end, project, need.times(len(hosts)))  # nobody makes room in a quota for others
        self._everything.take(start, end, hosts, need)
        if not is_spot:
            self._firm.take(start, end, hosts, need)


def _reserved(now: float, reserved: Reserved) -> Timeline:
    """Nothing but the reserved capacity, and that only in its window."""
    view = Timeline(now, dict.fromkeys(reserved.hosts, Amounts()), {})
    negative = Amounts(*(-amount for amount in reserved.need))
    view.take(reserved.starts_at, reserved.ends_at, reserved.hosts, negative)
    return view
