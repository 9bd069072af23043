"""Cores, accelerators, labels, doors: what the engine asks Ray for, and what a process gets."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.engines.base import NoSuchNodeError
from modelyard.engines.choice import open_engine
from modelyard.engines.ray.engine import RayEngine
from modelyard.errors import InvalidInputError
from modelyard.kit.handover import first_line, new_key, split_address
from modelyard.kit.ids import new_id
from modelyard.settings import Home, Settings
from modelyard.testing.engine import EngineCase, until
from modelyard.types.processes import EndCause, EngineKind, ProcessStatus, Resources

SHOW_GPUS = "echo gpus=$CUDA_VISIBLE_DEVICES"


@pytest.fixture
def case(one_node: Home, tmp_path: Path) -> Iterator[EngineCase]:
    case = EngineCase(open=lambda: RayEngine(one_node), kill_supervisor=lambda _: None, folder=tmp_path)
    yield case
    for state in case.engine.list():
        case.engine.remove(state.id)


def asking(case: EngineCase, *command: str, **resources) -> str:
    node = resources.pop("node", "")
    return case.start(replace(case.spec(*command), resources=Resources(**resources), node=node))


def test_accelerators_are_handed_out_once_at_a_time(case: EngineCase):
    holders = [asking(case, "sh", "-c", f"{SHOW_GPUS}; exec sleep 600", gpus=1) for _ in range(2)]
    until(lambda: all("gpus=" in case.engine.logs(each).text for each in holders))
    assert {case.engine.logs(each).text for each in holders} == {"gpus=0\n", "gpus=1\n"}
    waiting = asking(case, "sh", "-c", SHOW_GPUS, gpus=1)
    assert case.end(asking(case, "sh", "-c", SHOW_GPUS)).log_tail == "gpus=\n"
    assert case.engine.state(waiting).status is ProcessStatus.STARTING
    case.engine.stop(holders[0])
    assert case.end(waiting).log_tail in ("gpus=0\n", "gpus=1\n")


def test_what_a_process_uses_is_metered_while_it_runs_and_at_its_end(case: EngineCase):
    process_id = case.start(case.python("while True: pass"))
    until(lambda: (usage := case.engine.state(process_id).usage) is not None and usage.cpu_seconds > 0.5)
    before = case.engine.state(process_id).usage
    case.engine.stop(process_id, grace_seconds=0)
    case.end(process_id)
    after = case.open().state(process_id).usage
    assert before is not None
    assert after is not None
    assert after.cpu_seconds >= before.cpu_seconds
    assert after.memory_byte_seconds >= before.memory_byte_seconds > 0


def test_a_platform_on_a_cluster_has_its_nodes_and_this_machine_for_who_asks_for_it(one_node: Home, case: EngineCase):
    engine = open_engine(Settings(home=one_node.root, engine=EngineKind.RAY))
    (node,) = engine.nodes()
    assert engine.has_nodes
    assert (node.name, node.cpus, node.gpus) == ("attic", 8.0, 2)
    assert (dict(node.traits.labels), node.traits.gpu_kind) == ({"zone": "a"}, "Tesla-T4")
    spec, here, there = case.spec("true"), new_id("p"), new_id("p")
    engine.submit(there, spec)
    engine.submit(here, replace(spec, engine=EngineKind.LOCAL))
    assert engine.wait(there, 60).node != ""
    assert engine.wait(here, 60).node == ""
    assert {state.id for state in engine.list()} == {here, there}
    assert engine.kind_for(replace(spec, image="scorer:3")) is EngineKind.CONTAINER
    with pytest.raises(InvalidInputError, match="runs no images"):
        case.start(replace(spec, image="scorer:3"))
    for process_id in (here, there):
        engine.remove(process_id)
    assert not list(engine.list())


def test_one_that_waits_for_room_is_stopped_at_once(case: EngineCase):
    asking(case, "sleep", "600", cpus=8.0)
    waiting = asking(case, "true", cpus=8.0)
    case.engine.stop(waiting)
    end = case.engine.wait(waiting, 5).end
    assert end is not None
    assert end.cause is EndCause.STOPPED


def test_a_label_a_name_and_a_kind_of_accelerator_are_matched(case: EngineCase):
    assert case.end(asking(case, "true", node_labels={"zone": "a"})).exit_code == 0
    assert case.end(asking(case, "true", node="attic", cpus=1.0)).exit_code == 0
    wanted = {"gpus": 1, "gpu_kind": "t4", "gpu_memory_bytes": 8 << 30}
    assert case.end(asking(case, "sh", "-c", SHOW_GPUS, **wanted)).log_tail in ("gpus=0\n", "gpus=1\n")


def test_two_processes_share_an_accelerator_by_parts(case: EngineCase):
    holders = [asking(case, "sh", "-c", f"{SHOW_GPUS}; exec sleep 600", gpus=0.5) for _ in range(2)]
    until(lambda: all("gpus=" in case.engine.logs(each).text for each in holders))
    shown = [case.engine.logs(each).text for each in holders]
    whole = asking(case, "sh", "-c", SHOW_GPUS, gpus=1)
    assert shown[0] == shown[1]
    assert case.end(whole).log_tail == {"gpus=0\n": "gpus=1\n", "gpus=1\n": "gpus=0\n"}[shown[0]]


def test_what_is_in_use_is_told_without_what_was_planned_there(case: EngineCase):
    planned = asking(case, "sleep", "600", cpus=2.0, node="attic")
    asking(case, "sleep", "600", cpus=3.0, gpus=0.5)

    def in_use() -> tuple[float, float]:
        (node,) = case.engine.nodes()
        return node.in_use.cpus, node.in_use.gpus

    until(lambda: case.engine.state(planned).status is ProcessStatus.RUNNING and in_use() == (3.0, 0.5))
    assert not case.engine.drain("attic"), "it works"


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"node_labels": {"zone": "b"}}, "zone=b"),
        ({"gpus": 3}, "3 accelerators"),
        ({"gpus": 1, "gpu_kind": "A100"}, "GPUs of the kind 'A100'"),
        ({"gpus": 1, "gpu_memory_bytes": 40 << 30}, "GPUs with 40 GiB"),
        ({"node": "cellar"}, "no living node 'cellar'"),
        ({"cpus": 9.0}, "9 cores"),
    ],
)
def test_what_no_node_has_is_refused_with_what_there_is(case: EngineCase, resources, words):
    with pytest.raises(NoSuchNodeError, match=words):
        asking(case, "true", **resources)
    assert list(case.engine.list()) == []


DOORMAN = """
import socket, sys
from modelyard.kit.handover import receive, receiver
receiving = receiver(sys.argv[1])
receiving.setblocking(True)
while True:
    for connection in receive(receiving):
        connection.setblocking(True)
        connection.sendall(b"inside " + connection.recv(9))
        connection.close()
"""


def test_a_process_without_network_is_reached_through_its_door_by_who_has_the_key(case: EngineCase):
    spec = case.spec("python", "-c", DOORMAN)
    door = f"{spec.work_directory}/d"
    process_id = case.start(replace(spec, command=(*spec.command, door), door=door))
    until(lambda: case.engine.state(process_id).address != "")
    key, host, port = split_address(case.engine.state(process_id).address)
    assert case.open().state(process_id).address == case.engine.state(process_id).address
    for line, answer in ((first_line(key) + b"hello", b"inside hello"), (first_line(new_key()) + b"hello", b"")):
        with socket.create_connection((host, port), 10) as connection:
            connection.sendall(line)
            try:
                assert connection.recv(99) == answer
            except ConnectionResetError:  # what it sent was not read
                assert answer == b""
    with pytest.raises(WorkerUnavailableError):
        WorkerClient(f"{new_key()}@{host}:{port}", 5.0)


def test_a_process_ends_with_its_host(case: EngineCase):
    import ray

    process_id, _ = case.start_running("sleep", "600")
    watch = case.engine._watch(process_id)  # type: ignore[attr-defined]
    pid = case.engine.state(process_id).pid
    os.kill(ray.get(watch.host.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)
    assert case.end(process_id).cause is EndCause.LOST
    assert not Path(f"/proc/{pid}").exists()
