"""The rule itself: `decide` says what starts, what leaves and what has waited in vain; `forecast` when the rest starts.

What it guarantees (tests/unit/control/scheduling holds it to them):

- no host and no quota is ever exceeded;
- a gang starts whole or not at all;
- each waiting job has a place in one plan, made with the jobs' time limits; a job of lower order starts earlier only
  where it moves nobody of higher order (conservative backfilling), and the first in the order never moves back;
- no job but a spot job waits for ever: waiting is worth points without end, all else has an upper bound;
- a spot job is ended only for a job or a reservation that takes its place.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import islice

from modelyard.control.scheduling.rule.amounts import Amounts, missing
from modelyard.control.scheduling.rule.ordering import in_order
from modelyard.control.scheduling.rule.planning import Planned, plan
from modelyard.control.scheduling.rule.state import Decisions, Host, Request, Running, Start, State


def decide(state: State) -> Decisions:
    """What to do at this moment."""
    expired = {each.id for each in state.waiting if each.start_before is not None and each.start_before < state.now}
    made = plan(state, _startable(state, expired), lambda request: request.limit_seconds)
    reasons = {each.id: reason for each in state.waiting if (reason := _held(state, each))}
    reasons |= {each.id: never_fits(state, each) or _never_now(each) for each in made.never}
    starts, preempt = [], _for_reservations(state)
    for planned in made.starts:
        if planned.start > state.now:
            reasons[planned.request.id] = _waits_for(state, planned)
        elif planned.is_free:
            starts.append(Start(job=planned.request.id, hosts=planned.hosts))
        else:
            for host in {*planned.hosts}:
                preempt |= _victims(state, state.running, host, planned.request.need_of_host, preempt)
            reasons[planned.request.id] = "spot jobs make room for it"
    return Decisions(
        starts=tuple(starts),
        preempt=tuple(sorted(preempt)),
        expired=tuple(sorted(expired)),
        reasons=reasons,
        planned={each.request.id: each.start for each in made.starts},
    )


def forecast(state: State) -> Mapping[str, float]:
    """Waiting job -> when it will probably start, by how long jobs are likely to take."""
    made = plan(state, _startable(state), lambda request: request.likely_seconds)
    return {each.request.id: each.start for each in made.starts}


def never_fits(state: State, request: Request) -> str:
    """Why a job could not even start on empty hosts, in words; "" if it could."""
    what = "each of its hosts" if request.distinct_hosts > 1 else "it"
    fitting = [host for host in state.hosts if host.could_run(request)]
    if not fitting:
        suited = [host for host in state.hosts if not host.traits.lacks(request.wish)]
        if state.hosts and not suited:
            return f"{what} needs {state.hosts[0].traits.lacks(request.wish)}, which no host has"
        largest = max(suited, key=lambda host: host.capacity, default=None)
        room = missing(request.need_of_host, largest.capacity if largest else Amounts())
        return f"{what} needs {room} on the largest host" if room else f"{what} fits on no host"
    if len(fitting) < request.distinct_hosts:
        return f"it needs {request.hosts} hosts of its size, there are {len(fitting)}"
    room = missing(request.need.times(request.hosts), state.quota(request.project))
    if room:
        return f"it needs {room} in the quota of project '{request.project}'"
    return _never_in_reservation(state, request)


def _never_now(request: Request) -> str:
    """Why the plan has no place for a job that some host could run."""
    if request.reservation is not None:
        return "its reservation is over"
    return "others than jobs hold what it needs: replicas, or other programs of the cluster"


def _never_in_reservation(state: State, request: Request) -> str:
    if request.reservation is None:
        return ""
    reserved = next((each for each in state.reservations if each.id == request.reservation), None)
    if reserved is None or reserved.project != request.project:
        return f"project '{request.project}' has no reservation '{request.reservation}'"
    if request.distinct_hosts > len(reserved.hosts):
        return f"it needs {request.hosts} hosts, its reservation has {len(reserved.hosts)}"
    room = missing(request.need_of_host, reserved.need)
    if room:
        return f"it needs {room} in the reservation"
    left = reserved.ends_at - max(state.now, reserved.starts_at)
    if request.limit_seconds > left:
        return f"its time limit is {request.limit_seconds:.0f} s, the reservation has {max(0.0, left):.0f} s left"
    return ""


def _startable(state: State, expired: Collection[str] = ()) -> list[Request]:
    """Waiting jobs that nobody holds, in their order, as many as are planned."""
    free = tuple(each for each in state.waiting if each.id not in expired and not _held(state, each))
    return list(islice(in_order(replace(state, waiting=free)), state.policy.depth))


def _held(state: State, request: Request) -> str:
    if request.is_held:
        return "it is held"
    queue = state.queues.get(request.queue)
    return f"its queue '{request.queue}' is held" if queue is not None and queue.is_held else ""


def _waits_for(state: State, planned: Planned) -> str:
    """Why a job does not start now."""
    request = planned.request
    held = Amounts()
    for running in state.running:
        if running.request.project == request.project:
            held = held.plus(running.request.need.times(len(running.hosts)))
    if missing(held.plus(request.need.times(request.hosts)), state.quota(request.project)):
        return f"project '{request.project}' uses its quota"
    if request.reservation is not None:
        return "its reservation is taken or has not begun"
    return "it waits for capacity"


def _for_reservations(state: State) -> set[str]:
    """Spot jobs on capacity whose reserved window begins; all other jobs end before it by their limits."""
    victims: set[str] = set()
    for reserved in state.reservations:
        if reserved.starts_at - state.policy.leave_seconds <= state.now < reserved.ends_at:
            others = tuple(each for each in state.running if each.request.reservation != reserved.id)
            for host in reserved.hosts:
                victims |= _victims(state, others, host, reserved.need, victims)
    return victims


def _victims(state: State, running: tuple[Running, ...], name: str, need: Amounts, leaving: set[str]) -> set[str]:
    """The spot jobs that leave so that so much fits on a host: the youngest first, they lose least."""
    host = next((each for each in state.hosts if each.name == name), None)
    here = [each for each in running if name in each.hosts and each.request.id not in leaving]
    spot = sorted((each for each in here if each.request.is_spot), key=lambda each: (each.started_at, each.request.id))
    gone: set[str] = set()
    while host is not None and spot and missing(need, _room(here, host, gone)):
        gone.add(spot.pop().request.id)
    return {each.request.id for each in here if each.request.id in gone and not each.is_leaving}


def _room(running: Iterable[Running], host: Host, without: Collection[str]) -> Amounts:
    room = host.room
    for each in running:
        if each.request.id not in without:
            room = room.minus(each.request.need.together(each.hosts.count(host.name)))
    return room
