"""The guarantees of the decision rule, on any trace that hypothesis can think of."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.control.scheduling.rule.amounts import Amounts
from modelyard.control.scheduling.rule.deciding import decide, forecast, never_fits
from modelyard.control.scheduling.rule.ordering import in_order
from modelyard.control.scheduling.rule.state import (
    Decisions,
    Host,
    Policy,
    QueueState,
    Request,
    Reserved,
    Running,
    State,
)
from modelyard.testing.scheduling import Simulation, TraceJob, fifo
from modelyard.types.compute.nodes import NodeTraits, NodeWish
from modelyard.types.processes import NodeChoice

HOSTS = (
    Host(name="large", capacity=Amounts(8000, 16, 2000, 8), traits=NodeTraits(labels={"zone": "a"}, gpu_kind="A100")),
    Host(name="small-1", capacity=Amounts(4000, 8, 0, 4), traits=NodeTraits(labels={"zone": "a"})),
    Host(name="small-2", capacity=Amounts(4000, 8, 0, 4)),
)
WISHES = (NodeWish(), NodeWish(), NodeWish(labels={"zone": "a"}), NodeWish(gpu_kind="a100"))
SAME_NODE = NodeChoice.SAME_NODE
PROJECTS = ("a", "b", "c")
QUEUES = {
    "default": QueueState(name="default"),
    "urgent": QueueState(name="urgent", priority=100),
    "closed": QueueState(name="closed", is_held=True),
}


def request(job: str = "job", **wishes) -> Request:
    defaults = {"project": "a", "queue": "default", "need": Amounts(1000, 1, 0, 1), "limit_seconds": 100.0}
    return Request(**{"id": job, "ranked_at": 0.0, **defaults, **wishes})


@st.composite
def traces(draw: st.DrawFn) -> list[TraceJob]:
    jobs = []
    for index in range(draw(st.integers(1, 15))):
        limit = draw(st.integers(5, 400))
        hosts = draw(st.sampled_from([1, 1, 1, 2, 3]))
        need = Amounts(
            1000 * draw(st.integers(1, 8 if hosts == 1 else 4)),
            draw(st.integers(0, 16 if hosts == 1 else 8)),
            draw(st.sampled_from([0, 0, 500, 1000, 2000])) if hosts == 1 else 0,
            1,
        )
        fits_together = need.together(hosts).fits_in(HOSTS[0].capacity)
        wish = request(
            f"job-{index:02d}",
            project=draw(st.sampled_from(PROJECTS)),
            queue=draw(st.sampled_from(["default", "default", "urgent"])),
            need=need,
            limit_seconds=float(limit),
            ranked_at=float(draw(st.integers(0, 300))),
            hosts=hosts,
            priority=draw(st.integers(-5, 5)),
            is_spot=draw(st.booleans()),
            start_before=draw(st.sampled_from([None, None, 350.0])),
            wish=draw(st.sampled_from(WISHES)) if hosts == 1 else NodeWish(),
            choice=draw(st.sampled_from([each for each in NodeChoice if fits_together or each is not SAME_NODE])),
        )
        jobs.append(TraceJob(request=wish, seconds=float(draw(st.integers(1, limit)))))
    return jobs


quotas = st.dictionaries(
    st.sampled_from(PROJECTS),
    st.builds(
        Amounts,
        st.integers(4, 16).map(lambda n: n * 1000),
        st.integers(8, 40),
        st.sampled_from([1000, 2000]),
        st.integers(1, 4),
    ),
)
reservations = st.sampled_from(
    [
        (),
        (
            Reserved(
                id="r", project="b", need=Amounts(4000, 8, 0, 4), hosts=("small-1",), starts_at=100.0, ends_at=200.0
            ),
        ),
    ]
)


def held(state: State, decisions: Decisions) -> list[Running]:
    """Who holds capacity after the decisions."""
    requests = {each.id: each for each in state.waiting}
    new = [Running(request=requests[each.job], hosts=each.hosts, started_at=state.now) for each in decisions.starts]
    return [*state.running, *new]


def check_capacity(state: State, decisions: Decisions) -> None:
    """No host is over its capacity; neither is a reservation that has begun and is the only one with a claim."""
    for host in state.hosts:
        room = host.room
        for each in held(state, decisions):
            room = room.minus(each.request.need.together(each.hosts.count(host.name)))
        assert min(room) >= 0, (state.now, host.name, room)


def check_quotas(state: State, decisions: Decisions) -> None:
    for project, quota in state.quotas.items():
        left = quota
        for each in held(state, decisions):
            if each.request.project == project:
                left = left.minus(each.request.need.times(len(each.hosts)))
        assert min(left) >= 0, (state.now, project, left)


def check_gangs(state: State, decisions: Decisions) -> None:
    requests = {each.id: each for each in state.waiting}
    for start in decisions.starts:
        request = requests[start.job]
        assert len(start.hosts) == request.hosts
        assert len(set(start.hosts)) == (1 if request.choice is NodeChoice.SAME_NODE else request.hosts)
    assert len({start.job for start in decisions.starts}) == len(decisions.starts)


def check_wishes(state: State, decisions: Decisions) -> None:
    requests = {each.id: each for each in state.waiting}
    traits = {host.name: host.traits for host in state.hosts}
    for start in decisions.starts:
        for name in start.hosts:
            assert traits[name].lacks(requests[start.job].wish) == ""


def check_victims(state: State, decisions: Decisions) -> None:
    running = {each.request.id: each for each in state.running}
    for job in decisions.preempt:
        assert running[job].request.is_spot
        assert not running[job].is_leaving


@settings(max_examples=40, deadline=None)
@given(jobs=traces(), limits=quotas, reserved=reservations, cores=st.integers(0, 7))
def test_no_host_and_no_quota_is_exceeded_gangs_start_whole_and_every_job_comes_to_an_end(
    jobs, limits, reserved, cores
):
    hosts = (replace(HOSTS[0], held=Amounts(millicpus=1000 * cores)), *HOSTS[1:])
    state = State(now=0.0, hosts=hosts, queues=QUEUES, quotas=limits, reservations=reserved)
    # What a project's quota cannot hold is refused when it is submitted; and what others hold here, they keep.
    left = replace(state, hosts=tuple(replace(host, capacity=host.room) for host in hosts))
    jobs = [job for job in jobs if not never_fits(left, job.request)]

    def check(state: State, decisions: Decisions) -> None:
        for each in (check_capacity, check_quotas, check_gangs, check_wishes, check_victims):
            each(state, decisions)

    outcomes = Simulation(state, decide, check=check, leave_seconds=5.0).run(jobs)
    for outcome in outcomes.values():
        assert (outcome.ended_at is not None) != outcome.is_expired
        if outcome.is_expired:
            assert outcome.job.request.start_before is not None


@settings(max_examples=25, deadline=None)
@given(jobs=traces())
def test_the_first_in_the_order_starts_no_later_than_planned_however_early_or_late_others_end(jobs):
    jobs = [
        replace(job, request=replace(job.request, ranked_at=0.0, is_spot=False, start_before=None, project="a"))
        for job in jobs
    ]
    state = State(now=0.0, hosts=HOSTS, queues=QUEUES)
    promised: dict[str, float] = {}

    def check(state: State, decisions: Decisions) -> None:
        for each in state.waiting:
            promise = promised.get(each.id)
            assert promise is None or state.now <= promise + 1e-6 or each.id in {s.job for s in decisions.starts}
        left = [each for each in in_order(state) if each.id not in {start.job for start in decisions.starts}]
        if left:
            promised.setdefault(left[0].id, decisions.planned[left[0].id])

    Simulation(state, decide, check=check).run(jobs)


@settings(max_examples=25, deadline=None)
@given(jobs=traces(), more=traces())
def test_jobs_of_lower_order_move_nobody_in_the_plan(jobs, more):
    def plan_of(waiting: list[Request]) -> dict[str, float]:
        return dict(decide(State(now=500.0, hosts=HOSTS, queues=QUEUES, waiting=tuple(waiting))).planned)

    high = [replace(job.request, project="a", start_before=None) for job in jobs]
    low = [
        replace(job.request, id=f"low-{job.request.id}", project="a", priority=-500, start_before=None, is_spot=True)
        for job in more
    ]
    alone, together = plan_of(high), plan_of([*high, *low])
    assert {name: start for name, start in together.items() if name in alone} == alone


@settings(max_examples=8, deadline=None)
@given(every=st.integers(20, 60), need=st.integers(2, 8), gang=st.booleans())
def test_a_large_job_of_low_priority_is_not_starved_by_a_stream_of_urgent_small_ones(every, need, gang):
    policy = Policy(seconds_per_point=5.0, fair_points=5.0, depth=30)
    wish = {"need": Amounts(8000, 16, 0, 1)} if not gang else {"need": Amounts(4000, 1, 0, 1), "hosts": 3}
    large = TraceJob(request=request("large", ranked_at=1.0, project="b", **wish), seconds=50)
    stream = [
        TraceJob(
            request=request(
                f"s{n:04d}", queue="urgent", need=Amounts(need * 1000, 1, 0, 1), ranked_at=float(n * every)
            ),
            seconds=90,
        )
        for n in range(2000 // every)
    ]
    state = State(now=0.0, hosts=HOSTS, queues=QUEUES, policy=policy)
    outcome = Simulation(state, decide).run([large, *stream])["large"]
    # After 100 points of the queue and 5 fair ones nothing new comes before it; what was there by then may.
    overtaken = (100 + 5) * 5.0
    backlog = sum(job.seconds for job in stream if job.request.ranked_at <= overtaken)
    assert outcome.wait_seconds <= overtaken + backlog + 100


def test_a_small_job_goes_ahead_only_where_it_delays_nobody():
    running = Running(request=request("r", need=Amounts(4000, 8, 0, 1)), hosts=("large",), started_at=0.0)
    one = Host(name="large", capacity=Amounts(8000, 16, 0, 8))
    big = request("big", need=Amounts(8000, 8, 0, 1))
    short, long = request("short", ranked_at=5.0), request("long", ranked_at=5.0, limit_seconds=500.0)
    state = State(now=10.0, hosts=(one,), waiting=(big, short, long), running=(running,))
    state = replace(state, running=(replace(running, request=replace(running.request, limit_seconds=200.0)),))
    decisions = decide(state)
    assert [start.job for start in decisions.starts] == ["short"]
    assert decisions.planned["big"] == 200.0
    assert decisions.planned["long"] == 300.0
    assert decisions.reasons["long"] == "it waits for capacity"


def test_a_gang_goes_to_one_host_if_it_says_so_and_else_to_as_many_as_it_has_processes():
    apart = request("apart", need=Amounts(3000, 1, 0, 1), hosts=2)
    together = replace(apart, id="together", choice=NodeChoice.SAME_NODE)
    state = State(now=0.0, hosts=HOSTS, waiting=(together,))
    assert decide(state).starts[0].hosts == ("large", "large")
    assert decide(replace(state, waiting=(apart,))).starts[0].hosts == ("small-1", "small-2")
    assert never_fits(state, replace(together, hosts=3)) == "it needs 9 cores, there are 8 on the largest host"
    busy = Running(request=request("r", need=Amounts(3000, 1, 0, 1)), hosts=("large",), started_at=0.0)
    assert decide(replace(state, running=(busy,))).starts == (), "one host or none"


def test_a_spot_job_makes_room_for_another_and_the_youngest_goes():
    host = Host(name="h", capacity=Amounts(2000, 4, 0, 4))
    spot = [
        Running(request=request(name, is_spot=True, limit_seconds=1e6), hosts=("h",), started_at=at)
        for name, at in (("old", 1.0), ("young", 2.0))
    ]
    state = State(
        now=10.0, hosts=(host,), waiting=(request("paying"), request("other", is_spot=True)), running=(*spot,)
    )
    decisions = decide(state)
    assert decisions.preempt == ("young",)
    assert decisions.starts == ()
    leaving = replace(state, running=(spot[0], replace(spot[1], is_leaving=True)))
    assert decide(leaving).preempt == ()
    assert [start.job for start in decide(replace(state, running=(spot[0],))).starts] == ["paying"]


def test_a_reservation_keeps_others_out_and_lets_its_own_in():
    host = Host(name="h", capacity=Amounts(4000, 8, 0, 4))
    reserved = Reserved(id="r", project="b", need=Amounts(4000, 8, 0, 4), hosts=("h",), starts_at=50.0, ends_at=150.0)
    other, own = request("other"), request("own", project="b", reservation="r", limit_seconds=60.0)
    state = State(now=0.0, hosts=(host,), waiting=(other, own), reservations=(reserved,))
    assert decide(state).planned == {"other": 150.0, "own": 50.0}
    inside = replace(state, now=60.0)
    assert [start.job for start in decide(inside).starts] == ["own"]
    spot = Running(request=request("s", is_spot=True, limit_seconds=1e4), hosts=("h",), started_at=0.0)
    assert decide(replace(state, now=30.0, running=(spot,))).preempt == ("s",)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"need": Amounts(9000, 1, 0, 1)}, "it needs 9 cores, there are 8 on the largest host"),
        ({"need": Amounts(1000, 1, 3000, 1)}, "it needs 3 GPUs, there are 2 on the largest host"),
        ({"wish": NodeWish(labels={"zone": "b"})}, "it needs the label zone=b, which no host has"),
        ({"wish": NodeWish(gpu_kind="A100"), "hosts": 2}, "it needs 2 hosts of its size, there are 1"),
        ({"need": Amounts(5000, 1, 0, 1), "hosts": 2}, "it needs 2 hosts of its size, there are 1"),
        (
            {"need": Amounts(3000, 1, 0, 1), "project": "poor"},
            "it needs 3 cores, there are 2 in the quota of project 'poor'",
        ),
        ({"reservation": "gone"}, "project 'a' has no reservation 'gone'"),
    ],
)
def test_what_can_never_fit_is_told_with_the_reason(wish, reason):
    state = State(now=0.0, hosts=HOSTS, quotas={"poor": Amounts(2000, 8, 0, 4)})
    assert never_fits(state, request(**wish)) == reason
    assert never_fits(state, request()) == ""


def test_a_project_that_has_used_less_goes_first_and_projects_take_turns():
    one = Host(name="h", capacity=Amounts(1000, 8, 0, 1))
    waiting = tuple(
        request(f"{project}{n}", project=project, ranked_at=0.001 * n) for project in ("a", "b") for n in range(3)
    )
    state = State(now=1.0, hosts=(one,), waiting=waiting)
    planned = decide(state).planned
    assert sorted(planned, key=planned.__getitem__) == ["a0", "b0", "a1", "b1", "a2", "b2"]
    after = decide(replace(state, usage={"a": 1000.0})).planned
    assert sorted(after, key=after.__getitem__)[:2] == ["b0", "b1"]


def test_held_jobs_and_held_queues_start_nothing_and_block_nobody():
    one = Host(name="h", capacity=Amounts(1000, 8, 0, 1))
    waiting = (request("held", is_held=True), request("shut", queue="closed"), request("free", ranked_at=0.5))
    decisions = decide(State(now=1.0, hosts=(one,), queues=QUEUES, waiting=waiting))
    assert [start.job for start in decisions.starts] == ["free"]
    assert decisions.reasons == {"held": "it is held", "shut": "its queue 'closed' is held"}


def test_a_forecast_uses_likely_times_and_a_plan_uses_limits():
    one = Host(name="h", capacity=Amounts(1000, 8, 0, 1))
    running = Running(request=request("r", expected_seconds=20.0), hosts=("h",), started_at=0.0)
    state = State(now=5.0, hosts=(one,), waiting=(request("next"),), running=(running,))
    assert decide(state).planned["next"] == 100.0
    assert forecast(state)["next"] == 20.0


def test_first_come_first_served_lets_the_first_job_block_all_others():
    one = Host(name="h", capacity=Amounts(2000, 8, 0, 4))
    running = Running(request=request("r"), hosts=("h",), started_at=0.0)
    waiting = (request("big", need=Amounts(2000, 1, 0, 1)), request("small", ranked_at=1.0))
    state = State(now=2.0, hosts=(one,), waiting=waiting, running=(running,))
    assert fifo(state).starts == ()
    assert [start.job for start in decide(replace(state, waiting=waiting[1:])).starts] == ["small"]
