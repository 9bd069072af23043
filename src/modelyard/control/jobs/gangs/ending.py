"""How a gang has ended: the first member to fail ends all, and its end is that of the job."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from modelyard.types.jobs import JobMember
from modelyard.types.processes import EndCause, ProcessEnd, ProcessState

_ORDER = (EndCause.LOST, EndCause.PREEMPTED)
"""Causes that come before all others: what the rest of a gang did when a machine was lost is an effect of that."""

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MemberState:
    """A member and what is true of its process."""

    rank: int
    state: ProcessState


def has_failed(state: ProcessState) -> bool:
    """Whether it has ended in another way than well."""
    return state.end is not None and not is_success(state.end)


def is_success(end: ProcessEnd) -> bool:
    """Whether it has ended well."""
    return end.cause is EndCause.EXIT and end.exit_code == 0


def joint_end(states: Sequence[MemberState]) -> ProcessEnd | None:
    """The end of the job, of which all members have ended; None: one has not."""
    ends = [(each.rank, each.state.end) for each in states if each.state.end is not None]
    if len(ends) < len(states):
        return None
    failed = [(rank, end) for rank, end in ends if not is_success(end)]
    if len(states) == 1 or not failed:
        return ends[0][1]
    rank, end = min(failed, key=lambda each: (_weight(each[1].cause), each[1].ended_at or _LAST, each[0]))
    if end.cause is EndCause.STOPPED:  # all that failed were stopped, so nobody failed by himself
        return end
    return replace(end, message=f"Rank {rank} of {len(states)}: {end.message} The others were ended with it.")


def accounts(states: Sequence[MemberState], hosts: Sequence[str]) -> tuple[JobMember, ...]:
    """What is kept of each member of a gang on several machines; nothing of a job of one process."""
    if len(states) == 1:
        return ()
    return tuple(
        JobMember(
            rank=each.rank,
            host=hosts[each.rank] if each.rank < len(hosts) else "",
            cause=each.state.end.cause,
            message=each.state.end.message,
            cpu_seconds=each.state.end.cpu_seconds,
            memory_byte_seconds=each.state.end.memory_byte_seconds,
        )
        for each in states
        if each.state.end is not None
    )


def _weight(cause: EndCause) -> int:
    if cause in _ORDER:
        return _ORDER.index(cause)
    return len(_ORDER) + (cause is EndCause.STOPPED)
