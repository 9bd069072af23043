"""Reservations on several hosts: all of them or none, kept free for the gangs that run in them, on any trace."""

from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.control.scheduling.rule.amounts import Amounts
from modelyard.control.scheduling.rule.deciding import decide, never_fits
from modelyard.control.scheduling.rule.reserving import choose_hosts
from modelyard.control.scheduling.rule.state import Decisions, Host, Request, Reserved, Running, State
from modelyard.testing.scheduling import Simulation, TraceJob
from modelyard.types.processes import NodeChoice

HOSTS = tuple(Host(name=name, capacity=Amounts(4000, 8, 1000, 4)) for name in ("a", "b", "c"))
NAMES = tuple(host.name for host in HOSTS)
START, END = 100.0, 200.0


def request(job: str, **wishes) -> Request:
    defaults = {"project": "a", "queue": "default", "need": Amounts(1000, 1, 0, 1), "limit_seconds": 50.0}
    return Request(**{"id": job, "ranked_at": 0.0, **defaults, **wishes})


def reserved(cores: int = 2, hosts: tuple[str, ...] = NAMES, **wishes) -> Reserved:
    need = Amounts(1000 * cores, 2 * cores, 0, cores)
    defaults = {"id": "r", "project": "team", "need": need, "starts_at": START, "ends_at": END}
    return Reserved(**{**defaults, "hosts": hosts, **wishes})


running_jobs = st.lists(
    st.builds(
        lambda host, cores, limit, is_spot: (host, cores, float(limit), is_spot),
        st.sampled_from(NAMES),
        st.integers(1, 2),
        st.integers(20, 300),
        st.booleans(),
    ),
    max_size=4,
).map(
    lambda found: tuple(
        Running(
            request=request(f"run-{n}", need=Amounts(1000 * cores, 1, 0, 1), limit_seconds=limit, is_spot=is_spot),
            hosts=(host,),
            started_at=0.0,
        )
        for n, (host, cores, limit, is_spot) in enumerate(found)
    )
)


@settings(max_examples=60, deadline=None)
@given(running=running_jobs, cores=st.integers(1, 4), count=st.integers(1, 4), other=st.booleans())
def test_hosts_are_reserved_all_or_none_and_refused_only_if_no_choice_of_hosts_is_free(running, cores, count, other):
    before = (reserved(1, ("a",), id="before", starts_at=50.0, ends_at=150.0),) if other else ()
    state = State(now=10.0, hosts=HOSTS, running=running, reservations=before)
    choice = choose_hosts(state, reserved(cores), count)

    def is_free(name: str) -> bool:  # counted by hand, without the rule's timeline
        there = [each for each in running if name in each.hosts and not each.request.is_spot]
        held = sum(each.request.need.millicpus for each in there if each.request.limit_seconds > START)
        kept = sum(each.need.millicpus for each in before if name in each.hosts)
        return held + kept + 1000 * cores <= 4000

    possible = [names for names in combinations(NAMES, count) if all(is_free(name) for name in names)]
    assert bool(choice.hosts) != bool(choice.reason)
    assert (tuple(sorted(choice.hosts)) in possible) if possible else not choice.hosts


@st.composite
def traces(draw: st.DrawFn) -> list[TraceJob]:
    jobs = []
    for index in range(draw(st.integers(1, 12))):
        is_inside = draw(st.booleans())
        hosts = draw(st.sampled_from([1, 2, 2, 3]))
        limit = draw(st.integers(5, 90 if is_inside else 300))
        wish = request(
            f"job-{index:02d}",
            project="team" if is_inside else draw(st.sampled_from(["team", "a"])),
            need=Amounts(1000 * draw(st.integers(1, 2 if is_inside else 4)), draw(st.integers(0, 4)), 0, 1),
            hosts=hosts,
            limit_seconds=float(limit),
            ranked_at=float(draw(st.integers(0, 180))),
            is_spot=not is_inside and draw(st.booleans()),
            reservation="r" if is_inside else None,
            choice=draw(st.sampled_from([NodeChoice.ANY, NodeChoice.SPREAD])),
        )
        jobs.append(TraceJob(request=wish, seconds=float(draw(st.integers(1, limit)))))
    return jobs


@settings(max_examples=60, deadline=None)
@given(jobs=traces(), hosts=st.sampled_from([("a",), ("a", "b"), ("b", "c"), NAMES]))
def test_what_is_reserved_on_several_hosts_is_free_for_its_gangs_and_they_start_whole_within_it(jobs, hosts):
    keeps = reserved(2, hosts)
    state = State(now=0.0, hosts=HOSTS, reservations=(keeps,))
    inside = {job.request.id for job in jobs if job.request.reservation}
    possible = [job for job in jobs if not never_fits(state, job.request)]
    assert all(job in possible for job in jobs if job.request.id in inside and job.request.hosts <= len(hosts))

    def check(state: State, decisions: Decisions) -> None:
        requests = {each.id: each for each in state.waiting}
        starts = [(requests[each.job], each.hosts, state.now) for each in decisions.starts]
        held = [*((each.request, each.hosts, each.started_at) for each in state.running), *starts]
        for wish, where, at in held:
            assert len({*where}) == len(where) == wish.hosts, "all members, each on a host of its own"
            if wish.id in inside:
                assert {*where} <= {*hosts}
                assert at >= START
                assert at + wish.limit_seconds <= END
        for host in HOSTS:
            here = [wish for wish, where, _ in held if host.name in where]
            is_kept = host.name in hosts and START <= state.now < END
            others = [wish.need for wish in here if not (is_kept and wish.id in inside)]
            within = [wish.need for wish in here if is_kept and wish.id in inside]
            assert min(total([keeps.need], within, sign=-1)) >= 0, "the reservation is not overdrawn"
            claims = [*others, keeps.need] if is_kept else others
            assert min(total([host.capacity], claims, sign=-1)) >= 0, (state.now, host.name)

    outcomes = Simulation(state, decide, check=check, leave_seconds=5.0).run(possible)
    for name, outcome in outcomes.items():
        assert name in inside or outcome.ended_at is not None, "what does not fit inside waits, nothing else does"


def total(first: list[Amounts], second: list[Amounts], *, sign: int) -> Amounts:
    sums = Amounts()
    for amount in first:
        sums = sums.plus(amount)
    for amount in second:
        sums = sums.plus(amount) if sign > 0 else sums.minus(amount)
    return sums


def test_a_gang_starts_with_the_window_on_the_hosts_that_are_reserved_and_spot_jobs_have_left_them():
    gang = request("gang", project="team", hosts=2, reservation="r", limit_seconds=60.0, need=Amounts(2000, 4, 0, 1))
    spot = Running(
        request=request("s", is_spot=True, need=Amounts(4000, 8, 0, 1), limit_seconds=1e4), hosts=("c",), started_at=0.0
    )
    state = State(now=60.0, hosts=HOSTS, waiting=(gang,), running=(spot,), reservations=(reserved(2, ("a", "c")),))
    early = decide(state)
    assert (early.starts, early.planned, early.preempt) == ((), {"gang": START}, ())
    assert early.reasons["gang"] == "its reservation is taken or has not begun"
    assert decide(replace(state, now=START - 20)).preempt == ("s",)
    begun = decide(replace(state, now=START, running=()))
    assert {*begun.starts[0].hosts} == {"a", "c"}


def test_a_gang_that_its_reservation_cannot_hold_is_told_why():
    state = State(now=0.0, hosts=HOSTS, reservations=(reserved(2, ("a", "b")),))
    gang = request("gang", project="team", hosts=3, reservation="r")
    assert never_fits(state, gang) == "it needs 3 hosts, its reservation has 2"
    assert never_fits(state, replace(gang, hosts=2)) == ""
    big = replace(gang, hosts=2, need=Amounts(3000, 1, 0, 1))
    assert never_fits(state, big) == "it needs 3 cores, there are 2 in the reservation"
    thief = replace(gang, hosts=2, project="other")
    assert never_fits(state, thief) == "project 'other' has no reservation 'r'", "it belongs to another project"


def test_a_reservation_that_cannot_be_says_why():
    state = State(now=0.0, hosts=HOSTS, quotas={"team": Amounts(5000, 100, 0, 100)})
    assert choose_hosts(state, reserved(2), 4).reason == "it needs 4 hosts of its size, there are 3"
    assert (
        choose_hosts(state, reserved(5), 2).reason == "each of its hosts needs 5 cores, there are 4 on the largest host"
    )
    assert choose_hosts(state, reserved(2), 3).reason == "it needs 6 cores, there are 5 in the quota of project 'team'"
    assert len(choose_hosts(state, reserved(2), 2).hosts) == 2
