"""Where capacity may be reserved for a window: on all the hosts that are asked for, or on none."""

from dataclasses import dataclass, replace

from modelyard.control.scheduling.rule.deciding import never_fits
from modelyard.control.scheduling.rule.planning import plan
from modelyard.control.scheduling.rule.state import Request, Reserved, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The hosts of a reservation, or why there are none, in words."""

    hosts: tuple[str, ...] = ()
    reason: str = ""


def choose_hosts(state: State, wanted: Reserved, count: int) -> Choice:
    """Of the hosts that are wanted, `count` that have the capacity for the whole window.

    It may not touch what is reserved already or what jobs hold that may run until then; jobs that only wait do not
    count, and neither do spot jobs: they will make room.
    """
    probe = Request(
        id=wanted.id,
        project=wanted.project,
        queue="",
        need=wanted.need,
        hosts=count,
        limit_seconds=wanted.ends_at - wanted.starts_at,
        ranked_at=wanted.starts_at,
    )
    # At the moment at which the window begins: what will still be held then, and nothing that waits.
    then = replace(
        state,
        now=wanted.starts_at,
        hosts=tuple(host for host in state.hosts if host.name in wanted.hosts),
        waiting=(),
        running=tuple(
            each for each in state.running if each.started_at + each.request.limit_seconds > wanted.starts_at
        ),
        reservations=tuple(each for each in state.reservations if each.ends_at > wanted.starts_at),
    )
    if reason := never_fits(then, probe):
        return Choice(reason=reason)
    starts = plan(then, [probe], lambda request: request.limit_seconds).starts
    if starts and starts[0].start <= wanted.starts_at:
        return Choice(hosts=starts[0].hosts)
    return Choice(reason="jobs that may still run, or other reservations, hold it")
