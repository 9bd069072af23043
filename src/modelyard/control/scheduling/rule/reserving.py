"""Whether capacity may be reserved for a window."""

from dataclasses import replace

from modelyard.control.scheduling.rule.amounts import missing
from modelyard.control.scheduling.rule.ordering import in_order
from modelyard.control.scheduling.rule.planning import plan
from modelyard.control.scheduling.rule.state import Request, Reserved, State


def clash(state: State, wanted: Reserved) -> str:
    """Why a reservation cannot be given, in words; "" if it can.

    It may not touch what is reserved already or what jobs hold that may run until then; jobs that only wait do not
    count, and neither do spot jobs: they will make room.
    """
    host = next((each for each in state.hosts if each.name == wanted.hosts[0]), None)
    if host is None:
        return f"there is no host '{wanted.hosts[0]}'"
    room = missing(wanted.need, host.capacity) or missing(wanted.need, state.quota(wanted.project))
    if room:
        return f"it needs {room}"
    probe = Request(
        id=wanted.id,
        project=wanted.project,
        queue="",
        need=wanted.need,
        limit_seconds=wanted.ends_at - wanted.starts_at,
        ranked_at=wanted.starts_at,
    )
    # At the moment at which the window begins: what will still be held then, and nothing that waits.
    then = replace(
        state,
        now=wanted.starts_at,
        hosts=(host,),
        waiting=(probe,),
        running=tuple(
            each for each in state.running if each.started_at + each.request.limit_seconds > wanted.starts_at
        ),
        reservations=tuple(each for each in state.reservations if each.ends_at > wanted.starts_at),
    )
    planned = plan(then, in_order(then), lambda request: request.limit_seconds).starts
    free = bool(planned) and planned[0].start <= wanted.starts_at
    return "" if free else "jobs that may still run, or other reservations, hold it"
