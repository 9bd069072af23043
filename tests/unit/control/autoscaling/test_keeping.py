"""What is done with nodes from round to round: a real program starts and ends them, a scripted cluster has them."""

import stat
import time
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.control.autoscaling.errors import AutoscalingOffError, NodeKindInvalidError, NodeKindNotFoundError
from modelyard.control.autoscaling.keeper import NodeKeeper
from modelyard.control.autoscaling.provider import CommandProvider
from modelyard.control.autoscaling.repository import NodeRepository
from modelyard.control.autoscaling.service import AutoscalingService
from modelyard.control.rest.pages import PageQuery
from modelyard.control.scheduling.assembly import assemble
from modelyard.control.scheduling.capacity import offered
from modelyard.control.scheduling.errors import JobNeverFitsError
from modelyard.kit.clock import SystemClock
from modelyard.types.compute.autoscaling import ManagedNodeState, NodeKind
from modelyard.types.compute.nodes import Node, NodeUse
from modelyard.types.compute.scheduling import Placement, Quota
from modelyard.types.processes import Resources

HEAD = Node(name="head", cpus=2.0, memory_bytes=8 << 30)
KIND = NodeKind(name="big", max_nodes=2, cpus=4, memory_bytes=16 << 30, idle_seconds=60.0, start_seconds=120.0)
PROGRAM = """#!/bin/sh
echo "$1 $2 $3 $MODELYARD_RAY_ADDRESS $MODELYARD_NODE_OPTIONS" >> {folder}/calls
test ! -e {folder}/fails || {{ echo "no machine is left" >&2; exit 3; }}
"""


class MovingClock(SystemClock):
    """A clock that a test turns forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self):
        return super().now() + self.ahead


class Cluster:
    """An engine of several machines, as far as nodes are concerned."""

    def __init__(self) -> None:
        self.machines, self.works, self.drained = {"head": HEAD}, set(), []

    def nodes(self):
        return [*self.machines.values()]

    def drain(self, node):
        self.drained.append(node)
        return node not in self.works


class Bench:
    def __init__(self, database, tmp_path: Path) -> None:
        self.folder, self.clock, self.cluster = tmp_path, MovingClock(), Cluster()
        program = tmp_path / "nodes.sh"
        program.write_text(PROGRAM.format(folder=tmp_path))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.database, self.repository, self.leaving = database, NodeRepository(), set()
        self.service = AutoscalingService(database, self.repository, 4, is_on=True)
        self.scheduling = assemble(
            database=database,
            clock=self.clock,
            machines=lambda: offered([n for n in self.cluster.nodes() if n.name not in self.leaving], 4),
            quota=lambda _project: Quota(),
            carry=lambda _ticket: None,
            possible=self.service.possible_hosts,
        )
        self.scheduling.queues.ensure_default()
        self.program, self.providers = program, []
        self.keeper = self.another_keeper()

    def another_keeper(self) -> NodeKeeper:
        self.providers.append(CommandProvider(str(self.program), {"MODELYARD_RAY_ADDRESS": "h:1"}, self.folder))
        return NodeKeeper(
            database=self.database,
            repository=self.repository,
            board=self.scheduling.board,
            engine=self.cluster,
            provider=self.providers[-1],
            clock=self.clock,
            parallel_jobs=4,
            leaving=self.leaving,
            wake=lambda: None,
        )

    def submit(self, job: str, cpus: float) -> None:
        entry = self.scheduling.service.place(job, "default", Resources(cpus=cpus), Placement())
        with self.database.transaction() as connection:
            self.scheduling.service.enter(connection, entry)

    def end_job(self, job: str) -> None:
        with self.database.transaction() as connection:
            self.scheduling.service.leave(connection, job)

    def round(self, *, later: float = 0.0):
        """A round of keeping, then one of scheduling; the newest node."""
        self.clock.ahead += timedelta(seconds=later)
        self.keeper.round()
        self.scheduling.scheduler.round()
        return next(iter(self.service.nodes(PageQuery()).items), None)

    def until(self, state: ManagedNodeState):
        """Rounds until the newest node is in this state: the program takes its time."""
        deadline = time.monotonic() + 30
        while (node := self.round()) is None or node.state is not state:
            assert time.monotonic() < deadline, node
            time.sleep(0.05)
        return node

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def join(self, name: str, **use) -> None:
        self.cluster.machines[name] = Node(name=name, cpus=4.0, memory_bytes=16 << 30, in_use=NodeUse(**use))


@pytest.fixture
def bench(database, tmp_path):
    bench = Bench(database, tmp_path)
    yield bench
    for run in [run for provider in bench.providers for run in provider._runs.values()]:
        run.wait(30)


def test_a_node_comes_for_a_job_runs_it_and_goes_when_it_was_idle(bench):
    with pytest.raises(JobNeverFitsError):
        bench.submit("job", 4)
    bench.service.set_kind(KIND)
    bench.submit("job", 4)
    with pytest.raises(JobNeverFitsError):
        bench.submit("larger", 5)
    node = bench.round()
    assert (node.state, node.started_because) == (ManagedNodeState.STARTING, "job 'job' waits for it")
    assert bench.round().name == node.name, "one is enough"
    bench.join(node.name)
    assert bench.round().state is ManagedNodeState.RUNNING
    assert bench.scheduling.service.entry("job").host == node.name
    assert bench.round(later=1000).state is ManagedNodeState.RUNNING, "it works"
    bench.end_job("job")
    assert bench.round().idle_since is not None
    assert bench.round(later=59).state is ManagedNodeState.RUNNING
    assert bench.round(later=2).state is ManagedNodeState.ENDING
    bench.submit("small", 1)
    bench.round()
    assert bench.scheduling.service.entry("small").host == "head", "nothing is planned on what leaves"
    del bench.cluster.machines[node.name]
    gone = bench.until(ManagedNodeState.ENDED)
    assert gone.ended_because == "it did nothing for 61 s"
    options = f"--name {node.name} --cpus 4 --memory 16384 --gpus 0 --gpu-memory 0"
    assert bench.calls() == [f"start {node.name} big h:1 {options}", f"end {node.name} big h:1 "]


def test_a_node_on_which_something_began_meanwhile_stays(bench):
    bench.service.set_kind(KIND)
    bench.submit("job", 4)
    name = bench.round().name
    bench.join(name)
    bench.round()
    bench.end_job("job")
    bench.cluster.works.add(name)
    bench.round()
    node = bench.round(later=61)
    assert (node.state, node.idle_since, bench.cluster.drained) == (ManagedNodeState.RUNNING, None, [name])
    assert [call.split()[0] for call in bench.calls()] == ["start"]


def test_replicas_keep_a_node(bench):
    bench.service.set_kind(KIND)
    bench.submit("job", 4)
    name = bench.round().name
    bench.join(name, cpus=0.1)
    bench.round()
    assert bench.round(later=1000).idle_since is None


@pytest.mark.parametrize("how", ["the program fails", "it does not come"])
def test_a_node_that_does_not_come_is_given_up_with_the_reason_and_ended(bench, how):
    bench.service.set_kind(KIND)
    if how == "the program fails":
        (bench.folder / "fails").touch()
    bench.submit("job", 4)
    name = bench.round().name
    time.sleep(0.5)
    (bench.folder / "fails").unlink(missing_ok=True)
    bench.end_job("job")
    bench.round(later=0 if how == "the program fails" else 121)
    node = bench.until(ManagedNodeState.FAILED)
    words = "code 3: no machine is left" if how == "the program fails" else "it did not come within 120 s"
    assert node.name == name
    assert words in node.ended_because
    assert [call.split()[0] for call in bench.calls()] == ["start", "end"]


def test_after_each_failure_the_next_node_is_waited_for_twice_as_long(bench):
    bench.service.set_kind(KIND)
    (bench.folder / "fails").touch()
    bench.submit("job", 4)
    starts = []
    for pause in (0, 10, 20, 40):
        bench.round(later=pause / 2)
        starts.append(sum(call.startswith("start") for call in bench.calls()))
        bench.round(later=pause)
        deadline = time.monotonic() + 8
        while bench.service.nodes(PageQuery()).items[0].state is not ManagedNodeState.ENDING:
            assert time.monotonic() < deadline
            bench.keeper.round()
            time.sleep(0.02)
        (bench.folder / "fails").unlink()
        bench.until(ManagedNodeState.FAILED)
        (bench.folder / "fails").touch()
    assert starts[1:] == [1, 2, 3], "none came before its pause was over"


def test_a_lost_node_is_ended_and_another_comes_for_its_job(bench):
    bench.service.set_kind(KIND)
    bench.submit("job", 4)
    name = bench.round().name
    bench.join(name)
    bench.round()
    del bench.cluster.machines[name]
    with bench.database.transaction() as connection:
        bench.scheduling.service.plan_again(connection, "job")
    bench.until(ManagedNodeState.FAILED)
    bench.round(later=11)
    nodes = {node.name: node for node in bench.service.nodes(PageQuery()).items}
    assert nodes[name].ended_because == "it was lost"
    assert len(nodes) == 2


def test_what_was_under_way_at_a_kill_goes_on_in_the_next_process(bench):
    bench.service.set_kind(KIND)
    bench.submit("job", 4)
    name = bench.round().name
    bench.keeper = bench.another_keeper()
    bench.round()
    time.sleep(0.5)
    assert [call.split()[:2] for call in bench.calls()] == [["start", name]] * 2, "the program may be asked twice"
    bench.join(name)
    bench.round()
    bench.end_job("job")
    bench.round()
    bench.round(later=61)
    bench.leaving.clear()
    bench.keeper = bench.another_keeper()
    bench.round()
    assert bench.leaving == {name}
    del bench.cluster.machines[name]
    assert bench.until(ManagedNodeState.ENDED).name == name


def test_kinds_are_checked(bench):
    with pytest.raises(NodeKindInvalidError):
        bench.service.set_kind(NodeKind(name="k", min_nodes=2, max_nodes=1, cpus=1, memory_bytes=1))
    with pytest.raises(NodeKindNotFoundError):
        bench.service.delete_kind("k")
    with pytest.raises(AutoscalingOffError):
        AutoscalingService(bench.database, bench.repository, 4, is_on=False).set_kind(KIND)
