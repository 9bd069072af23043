"""The guarantees of the rule that lets nodes come and go, on any queue that hypothesis can think of."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.control.autoscaling.deciding import Changes, Kind, Standing, decide
from modelyard.control.scheduling.rule.amounts import Amounts
from modelyard.control.scheduling.rule.state import Host, QueueState, Request, Reserved, Running, State
from modelyard.types.compute.nodes import NodeTraits, NodeWish

HEAD = Host(name="head", capacity=Amounts(2000, 8, 0, 4))
SMALL = Kind(name="small", least=0, most=3, host=Host(name="", capacity=Amounts(2000, 8, 0, 4)), idle_seconds=60.0)
LARGE = Kind(
    name="large",
    least=0,
    most=2,
    host=Host(name="", capacity=Amounts(8000, 32, 2000, 8), traits=NodeTraits(gpu_kind="A100")),
    idle_seconds=60.0,
)
KINDS = [LARGE, SMALL]


def request(job: str = "job", cores: int = 1, **wishes) -> Request:
    defaults = {"project": "a", "queue": "default", "need": Amounts(1000 * cores, 1, 0, 1), "limit_seconds": 100.0}
    return Request(**{"id": job, "ranked_at": 0.0, **defaults, **wishes})


def queue(*waiting: Request, **more) -> State:
    return State(now=10.0, **{"hosts": (HEAD,), "waiting": waiting, **more})


def coming(changes: Changes) -> list[str]:
    return [each.kind for each in changes.coming]


def test_a_node_comes_for_a_job_that_fits_nowhere_and_says_for_which():
    changes = decide(queue(request("fits", 2), request("over")), KINDS, [])
    assert coming(changes) == ["small"]
    assert changes.coming[0].reason == "job 'over' waits for it"


def test_the_smallest_kind_that_a_job_fits_on_comes():
    assert coming(decide(queue(request(cores=3)), KINDS, [])) == ["large"]
    assert coming(decide(queue(request(wish=NodeWish(gpu_kind="a100"))), KINDS, [])) == ["large"]
    assert coming(decide(queue(request(wish=NodeWish(labels={"zone": "a"}))), KINDS, [])) == []


def test_a_node_on_its_way_is_waited_for_and_several_jobs_share_one_that_comes():
    waiting = [request(f"job-{n}", need=Amounts(1000, 1, 1000, 1)) for n in range(3)]
    changes = decide(queue(*waiting), KINDS, [])
    assert coming(changes) == ["large", "large"]
    on_their_way = [Standing(name=f"l{n}", kind="large", is_up=False) for n in range(2)]
    assert decide(queue(*waiting), KINDS, on_their_way) == Changes()


def test_all_nodes_of_a_gang_come_or_none():
    gang = request("gang", cores=2, hosts=4)
    assert coming(decide(queue(gang), KINDS, [])) == ["small"] * 3, "the head is the fourth"
    assert coming(decide(queue(replace(gang, hosts=5)), [SMALL], [])) == []


def test_no_node_comes_for_what_is_held_or_over_its_quota_or_waits_for_a_reservation():
    waiting = (
        request("held", 2, is_held=True),
        request("shut", 2, queue="closed"),
        request("booked", 2, reservation="r"),
        request("late", 2, start_before=9.0),
        request("poor", 4, project="poor"),
    )
    state = queue(
        *waiting,
        queues={"closed": QueueState(name="closed", is_held=True)},
        quotas={"poor": Amounts(2000, 32, 0, 4)},
        running=(Running(request=request("r", 2), hosts=("head",), started_at=0.0),),
    )
    assert decide(state, KINDS, []) == Changes()


def test_a_node_that_was_idle_long_enough_goes_unless_a_job_would_take_it_or_it_must_stay():
    hosts = (HEAD, *(replace(SMALL.host, name=name) for name in ("s1", "s2")))
    nodes = [Standing(name="s1", kind="small", is_up=True, idle_seconds=61.0)]
    nodes.append(Standing(name="s2", kind="small", is_up=True, idle_seconds=59.0))
    changes = decide(queue(hosts=hosts), KINDS, nodes)
    assert [(each.node, each.reason) for each in changes.going] == [("s1", "it did nothing for 61 s")]
    assert decide(queue(hosts=hosts), [replace(SMALL, least=2)], nodes) == Changes()
    wanted = queue(request("a", 2), request("b", 2), hosts=hosts)
    assert decide(wanted, KINDS, nodes) == Changes()
    without_kind = decide(queue(hosts=hosts), [], nodes)
    assert [each.node for each in without_kind.going] == ["s1", "s2"], "their kind was deleted"


def test_a_node_that_is_reserved_stays_however_idle_and_others_get_one_of_their_own():
    hosts = (replace(SMALL.host, name="s1"),)
    nodes = [Standing(name="s1", kind="small", is_up=True, idle_seconds=1000.0)]
    window = Reserved(id="r", project="b", need=Amounts(2000, 8, 0, 4), hosts=("s1",), starts_at=5.0, ends_at=500.0)
    booked = queue(request(), hosts=hosts, reservations=(window,))
    assert coming(decide(booked, KINDS, nodes)) == ["small"]
    assert decide(booked, KINDS, nodes).going == ()
    own = Running(request=request("own", 2, project="b", reservation="r"), hosts=("s1",), started_at=6.0)
    part = replace(window, need=Amounts(1000, 4, 0, 2))
    inside = replace(booked, running=(replace(own, request=replace(own.request, need=part.need)),))
    assert decide(replace(inside, reservations=(part,)), KINDS, nodes) == Changes(), "what runs inside counts once"
    later = replace(booked, waiting=(), reservations=(replace(window, starts_at=400.0),))
    assert decide(later, KINDS, nodes) == Changes(), "a job in it would find no host"


def test_so_many_as_must_be_there_come_without_any_job():
    assert coming(decide(queue(), [replace(SMALL, least=2)], [])) == ["small", "small"]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[State, list[Kind], list[Standing]]:
    kinds = [replace(kind, least=draw(st.integers(0, 1)), most=draw(st.integers(1, 3))) for kind in (SMALL, LARGE)]
    nodes, hosts, running = [], [HEAD], []
    for kind in kinds:
        for number in range(draw(st.integers(0, kind.most))):
            name, is_up = f"{kind.name}-{number}", draw(st.booleans())
            works = is_up and draw(st.booleans())
            idle = draw(st.sampled_from([1.0, 59.0, 60.0, 1000.0])) if is_up and not works else 0.0
            nodes.append(Standing(name=name, kind=kind.name, is_up=is_up, idle_seconds=idle))
            if is_up:
                hosts.append(replace(kind.host, name=name))
            if works:
                running.append(Running(request=request(f"r-{name}"), hosts=(name,), started_at=0.0))
    waiting = [
        request(
            f"w{number}",
            draw(st.integers(1, 9)),
            hosts=draw(st.sampled_from([1, 1, 2, 3])),
            project=draw(st.sampled_from("ab")),
            wish=draw(st.sampled_from([NodeWish(), NodeWish(gpu_kind="A100"), NodeWish(labels={"x": "y"})])),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
    return queue(*waiting, hosts=tuple(hosts), running=tuple(running)), kinds, nodes


@settings(max_examples=150, deadline=None)
@given(scene=scenes())
def test_bounds_hold_no_node_with_work_goes_and_nodes_come_only_for_jobs_that_fit_on_them(scene):
    state, kinds, nodes = scene
    changes = decide(state, kinds, nodes)
    going = {each.node for each in changes.going}
    count = Counter(node.kind for node in nodes)
    new = Counter(each.kind for each in changes.coming)
    for kind in kinds:
        gone = sum(node.kind == kind.name for node in nodes if node.name in going)
        assert count[kind.name] + new[kind.name] <= max(kind.most, count[kind.name])
        assert count[kind.name] + new[kind.name] - gone >= kind.least
    for node in nodes:
        if node.name in going:
            assert node.idle_seconds >= 60.0
            assert node.name not in {name for each in state.running for name in each.hosts}
    by_id = {f"job '{each.id}' waits for it": each for each in state.waiting}
    by_name = {kind.name: kind for kind in kinds}
    for each in changes.coming:
        if each.reason in by_id:
            assert by_name[each.kind].host.could_run(by_id[each.reason])


@settings(max_examples=100, deadline=None)
@given(scene=scenes())
def test_what_comes_is_enough_once_it_is_there_nothing_more_comes(scene):
    state, kinds, nodes = scene
    changes = decide(state, kinds, nodes)
    by_name = {kind.name: kind for kind in kinds}
    more = [
        (
            Standing(name=f"new-{number}", kind=each.kind, is_up=True),
            replace(by_name[each.kind].host, name=f"new-{number}"),
        )
        for number, each in enumerate(changes.coming)
    ]
    after = replace(state, hosts=(*state.hosts, *(host for _, host in more)))
    again = decide(after, kinds, [*nodes, *(node for node, _ in more)])
    assert again.coming == ()
