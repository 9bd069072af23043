"""Gangs: on any trace that hypothesis can think of, all members have their capacity at the same time, or none has."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.control.scheduling.records import Entry
from modelyard.control.scheduling.rule.amounts import Amounts
from modelyard.control.scheduling.rule.deciding import decide, never_fits
from modelyard.control.scheduling.rule.state import Decisions, Host, State
from modelyard.testing.scheduling import Simulation, TraceJob
from modelyard.types.compute.scheduling import EntryState

HOSTS = (
    Host(name="large", capacity=Amounts(8000, 16, 4000, 3)),
    Host(name="small", capacity=Amounts(4000, 8, 0, 2)),
)


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    return [
        Entry(
            job=f"job-{index:02d}",
            project=draw(st.sampled_from(["a", "b"])),
            queue="default",
            state=EntryState.WAITING,
            priority=draw(st.integers(-3, 3)),
            ranked_at=datetime.fromtimestamp(draw(st.integers(0, 200)), UTC),
            cpus=draw(st.sampled_from([0.5, 1, 2, 3])),
            memory_bytes=draw(st.integers(0, 6)),
            gpus=draw(st.sampled_from([0, 0, 1])),
            hosts=draw(st.sampled_from([1, 1, 2, 3, 4, 9])),
            is_distributed=draw(st.booleans()),
            limit_seconds=float(draw(st.integers(5, 300))),
            expected_seconds=None,
            is_spot=draw(st.booleans()),
            is_held=False,
            start_before=None,
            reservation=None,
        )
        for index in range(draw(st.integers(1, 12)))
    ]


@settings(max_examples=40, deadline=None)
@given(waiting=entries())
def test_all_members_of_a_gang_have_their_capacity_at_once_or_none_has(waiting):
    by_job = {entry.job: entry for entry in waiting}
    state = State(now=0.0, hosts=HOSTS)

    def check(state: State, decisions: Decisions) -> None:
        room = {host.name: host.capacity for host in state.hosts}
        held = [(each.request.id, each.hosts) for each in state.running]
        for job, hosts in [*held, *((start.job, start.hosts) for start in decisions.starts)]:
            entry = by_job[job]
            if entry.is_distributed:
                assert len({*hosts}) == len(hosts) == entry.hosts, "each member has a host of its own"
            else:
                assert len(hosts) == 1, "they share one"
            for member in range(entry.hosts):  # member by member, as they will use it
                name = hosts[member] if entry.is_distributed else hosts[0]
                place = 1 if member == 0 or entry.is_distributed else 0
                each = Amounts(round(entry.cpus * 1000), entry.memory_bytes, round(entry.gpus * 1000), place)
                room[name] = room[name].minus(each)
                assert min(room[name]) >= 0, (state.now, job, room)

    requests = [entry.request() for entry in waiting]
    fitting = [each for each in requests if not never_fits(state, each)]
    outcomes = Simulation(state, decide, check=check).run(
        [TraceJob(request=each, seconds=each.limit_seconds) for each in fitting]
    )
    assert all(outcome.ended_at is not None for outcome in outcomes.values())
    for each in requests:
        largest = max(HOSTS, key=lambda host: host.capacity).capacity
        assert each in fitting or each.hosts > 1 or not each.need.fits_in(largest)
