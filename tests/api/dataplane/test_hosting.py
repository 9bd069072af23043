"""A model host as a process: many models, little memory, orders, and what is left of it when it ends."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.dataplane.frames import (
    CHANNEL_SHIFT,
    Answer,
    Attach,
    Draining,
    Failure,
    FrameReader,
    Header,
    Hello,
    Infer,
    TensorHead,
    encode_frame,
)
from modelyard.dataplane.hosting.model_host import EXIT_OUTGROWN
from modelyard.dataplane.hosting.report import ModelState, at_work
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.bundle import write_manifest
from modelyard.testing.looping_model import FOR_EVER, SIGNATURE, looping_bundle
from modelyard.testing.same_model import same_bundle
from modelyard.testing.serving import TOKEN, HostProcess, Serving, endpoint
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard
from modelyard.types.routing import RouteReplica, RouteVariant
from modelyard.types.signatures import DataType, Signature, TensorSpec

X = TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 3))
ROW = np.array([[1, 2, 3]], np.float32)


@pytest.fixture
def serving(tmp_path: Path):
    with Serving(tmp_path) as serving:
        yield serving


@pytest.fixture
def same(tmp_path: Path) -> Path:
    return same_bundle(tmp_path / "same", X)


@pytest.fixture
def looping(tmp_path: Path) -> Path:
    return looping_bundle(tmp_path / "looping")


def ask(host: HostProcess, place: str) -> list[float]:
    with WorkerClient(host.socket(place)) as client:
        return client.infer({"x": ROW})["same_x"][0].tolist()


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Line:
    """A gateway's connection to a host, by hand."""

    def __init__(self, host: HostProcess) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(host.folder / "models"))
        self._reader = FrameReader()
        self._frames: list[Header] = []

    def close(self) -> None:
        self._socket.close()

    def attach(self, channel: int, place: str) -> Header:
        self._socket.sendall(encode_frame(Attach(channel, place)))
        return self.next()

    def ask_rounds(self, channel: int, number: int, rounds: int, patience_seconds: float = 30.0) -> None:
        data = np.array([[rounds]], np.int64).tobytes()
        head = TensorHead("rounds", DataType.INT64, (1, 1), len(data))
        frame_id = channel << CHANNEL_SHIFT | number
        self._socket.sendall(encode_frame(Infer(frame_id, (head,), True, patience_seconds), [data]))

    def next(self) -> Header:
        while not self._frames:
            data = self._socket.recv(1 << 16)
            assert data, "the host closed the connection"
            self._frames += [header for header, _ in self._reader.feed(data)]
        return self._frames.pop(0)


@pytest.fixture
def connect() -> Iterator[Callable[[HostProcess], Line]]:
    lines: list[Line] = []

    def make(host: HostProcess) -> Line:
        lines.append(Line(host))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


def test_two_hundred_models_take_little_memory_and_all_of_them_answer(serving: Serving, same: Path):
    host = serving.start_host("h")
    for number in range(200):
        host.load(f"m{number}", same)
    assert all(ask(host, f"m{number}") == [1, 2, 3] for number in range(200))
    report = host.report()
    assert len(report.models) == 200
    assert {model.state for model in report.models.values()} == {ModelState.SERVED}
    assert report.resident_bytes < 300 << 20


def test_beyond_its_memory_a_host_parks_what_was_asked_for_longest_ago_and_loads_it_on_demand(
    serving: Serving, same: Path
):
    host = serving.start_host("h", "--memory-bytes", "1")  # nothing fits but the one in use
    for place in ("a", "b", "c"):
        host.load(place, same)
    states = {place: model.state for place, model in host.report().models.items()}
    assert states == {"a": ModelState.PARKED, "b": ModelState.PARKED, "c": ModelState.SERVED}
    assert [ask(host, place) for place in ("a", "b", "a", "c")] == [[1, 2, 3]] * 4
    report = host.report()
    assert [place for place, model in report.models.items() if model.state is ModelState.SERVED] == ["c"]
    assert {place: model.loads for place, model in report.models.items()} == {"a": 3, "b": 2, "c": 2}


def hungry_bundle(folder: Path) -> Path:
    """A model in a new folder that fills as many megabytes as the largest of its inputs says, and gives them back."""
    nodes = [
        helper.make_node("ReduceMax", ["megabytes"], ["most"], axes=[0], keepdims=0),
        helper.make_node("Mul", ["most", "floats"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["filled"]),
        helper.make_node("ReduceSum", ["filled"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["nothing"], to=TensorProto.INT64),
        helper.make_node("Add", ["megabytes", "nothing"], ["done"]),
    ]
    tensors = (helper.make_tensor_value_info(name, TensorProto.INT64, [None, 1]) for name in ("megabytes", "done"))
    graph = helper.make_graph(
        nodes,
        "hungry",
        [next(tensors)],
        [next(tensors)],
        [numpy_helper.from_array(np.array([1 << 18]), "floats")],
    )
    folder.mkdir()
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    inputs, outputs = (
        (TensorSpec(name=name, datatype=DataType.INT64, shape=(-1, 1)),) for name in ("megabytes", "done")
    )
    manifest = Manifest(
        artifact="model.onnx",
        artifact_format=ArtifactFormat.ONNX,
        signature=Signature(inputs=inputs, outputs=outputs),
        card=ModelCard(task="other"),
    )
    write_manifest(folder, manifest)
    return folder


def test_a_model_that_outgrows_its_host_ends_it_and_is_named_while_one_that_has_it_for_itself_stays(
    serving: Serving, same: Path, tmp_path: Path
):
    hungry = hungry_bundle(tmp_path / "hungry")
    shared = serving.start_host("shared", "--memory-bytes", str(256 << 20))
    alone = serving.start_host("alone", "--memory-bytes", str(256 << 20))
    for host in (shared, alone):
        host.load("hungry", hungry)
    shared.load("neighbour", same)
    for host in (shared, alone):
        with WorkerClient(host.socket("hungry")) as client:
            assert client.infer({"megabytes": np.array([[400]])})["done"].tolist() == [[400]]
    assert shared.process.wait(20) == EXIT_OUTGROWN
    assert at_work(shared.folder, shared.report()) == {"hungry"}
    assert "model hungry made it grow by" in serving.output("shared")
    until(lambda: alone.report().resident_bytes > 256 << 20)  # it has looked, and stays
    with WorkerClient(alone.socket("hungry")) as client:
        assert client.infer({"megabytes": np.array([[1]])})["done"].tolist() == [[1]]


def test_an_unloaded_model_answers_what_it_was_sent_before_and_the_others_stay(
    serving: Serving, connect, same: Path, looping: Path
):
    host = serving.start_host("h")
    host.load("slow", looping)
    host.load("other", same)
    line = connect(host)
    assert isinstance(line.attach(7, "slow"), Hello)
    for number in range(1, 6):
        line.ask_rounds(7, number, 20_000)
    host.unload("slow")
    frames = [line.next() for _ in range(6)]
    assert sorted(frame.id & 0xFF for frame in frames if isinstance(frame, Answer)) == [1, 2, 3, 4, 5]
    assert [frame.channel for frame in frames if isinstance(frame, Draining)] == [7]
    until(lambda: set(host.report().models) == {"other"})
    assert not Path(host.socket("slow")).exists()
    assert ask(host, "other") == [1, 2, 3]
    host.unload("never there")


def test_a_host_that_is_told_to_end_answers_what_it_holds(serving: Serving, connect, looping: Path):
    host = serving.start_host("h")
    host.load("slow", looping)
    line = connect(host)
    line.attach(1, "slow")
    for number in range(1, 4):
        line.ask_rounds(1, number, 20_000)
    host.process.terminate()
    frames = [line.next() for _ in range(4)]
    assert sorted(frame.id & 0xFF for frame in frames if isinstance(frame, Answer)) == [1, 2, 3]
    assert host.process.wait(30) == 0


def test_what_cannot_be_loaded_is_refused_with_the_reason_and_harms_nobody(
    serving: Serving, connect, same: Path, tmp_path
):
    host = serving.start_host("h")
    host.load("good", same)
    damaged = same_bundle(tmp_path / "damaged", X)
    (damaged / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactInvalidError, match="ONNX Runtime cannot load"):
        host.load("damaged", damaged)
    with pytest.raises(ArtifactInvalidError, match="another project"):
        host.load("foreign", same, project="other")
    with pytest.raises(ArtifactInvalidError, match="outside its folder"):
        host.load("../good", same)
    assert set(host.report().models) == {"good"}
    assert ask(host, "good") == [1, 2, 3]
    refused = connect(host).attach(1, "damaged")
    assert isinstance(refused, Failure)
    assert "does not serve" in refused.message


def test_orders_that_are_repeated_change_nothing(serving: Serving, same: Path):
    host = serving.start_host("h")
    host.load("a", same)
    before = host.report().models
    host.bundles.joinpath("a").rename(host.bundles / "away")
    host.load("a", same)
    assert host.report().models == before


def test_a_hung_model_ends_its_host_and_is_named(serving: Serving, connect, same: Path, looping: Path):
    host = serving.start_host("h", "--hang-seconds", "0.3")
    host.load("good", same)
    host.load("bad", looping)
    report = host.report()
    line = connect(host)
    line.attach(1, "bad")
    line.ask_rounds(1, 1, FOR_EVER, patience_seconds=0.0)
    assert host.process.wait(20) == -signal.SIGALRM
    assert at_work(host.folder, report) == {"bad"}
    assert "in predict" in serving.output("h")


def test_a_host_that_dies_in_a_batch_names_the_model_and_one_that_dies_idle_names_none(
    serving: Serving, connect, same: Path, looping: Path
):
    for name, is_busy in (("busy", True), ("idle", False)):
        host = serving.start_host(name)
        host.load("good", same)
        host.load("bad", looping)
        report = host.report()
        line = connect(host)
        line.attach(1, "bad")
        if is_busy:
            line.ask_rounds(1, 1, FOR_EVER)
            until(lambda host=host, report=report: at_work(host.folder, report))
        host.process.send_signal(signal.SIGSEGV)
        host.process.wait()
        assert at_work(host.folder, report) == ({"bad"} if is_busy else set())


def test_a_host_promises_signs_of_life_beyond_a_long_batch(serving: Serving, connect, looping: Path):
    host = serving.start_host("h", "--hang-seconds", "0.2")
    host.load("slow", looping)
    line = connect(host)
    line.attach(1, "slow")
    line.ask_rounds(1, 1, 200_000, patience_seconds=300.0)
    until(lambda: host.report().alive_until > time.monotonic() + 200)
    assert isinstance(line.next(), Answer)
    assert host.process.poll() is None


def variant_of(host: HostProcess, place: str) -> RouteVariant:
    replica = RouteReplica(id=f"replica-{place}-{host.process.pid}", address=host.address(place))
    return RouteVariant(name="main", model=place, number=1, weight=1, signature=SIGNATURE, replicas=(replica,))


def infer(http: httpx.Client, name: str, rounds: int) -> httpx.Response:
    tensor = {"name": "rounds", "datatype": "INT64", "shape": [1, 1], "data": [rounds]}
    return http.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]})


def test_a_gateway_reaches_all_models_of_a_host_over_one_connection(serving: Serving, looping: Path):
    gateway = serving.start_gateway()
    host = serving.start_host("h")
    for number in range(8):
        host.load(f"m{number}", looping)
    before = _descriptors(gateway.pid)
    serving.publish(*(endpoint(f"m{number}", variant_of(host, f"m{number}")) for number in range(8)))
    with httpx.Client(base_url=serving.url, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        for number in range(16):
            answer = infer(http, f"m{number % 8}", number)
            assert answer.json()["outputs"][0]["data"] == [number], answer.text
        assert _descriptors(gateway.pid) - before <= 2  # the line, and this client's own connection
        serving.publish()
        assert infer(http, "m0", 1).status_code == 404
    until(lambda: _descriptors(gateway.pid) <= before + 1)


def test_requests_outlive_the_end_of_their_host_where_another_one_has_the_model(serving: Serving, looping: Path):
    serving.start_gateway()
    first, second = serving.start_host("first"), serving.start_host("second")
    for host in (first, second):
        host.load("m", looping)
    one, other = variant_of(first, "m"), variant_of(second, "m")
    both = RouteVariant(
        name="main", model="m", number=1, weight=1, signature=SIGNATURE, replicas=one.replicas + other.replicas
    )
    serving.publish(endpoint("m", both))
    answers: list[httpx.Response] = []
    is_over = threading.Event()

    def call() -> None:
        with httpx.Client(base_url=serving.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as http:
            while not is_over.is_set():
                answers.append(infer(http, "m", 2_000))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    until(lambda: len(answers) > 20)
    first.process.kill()
    count = len(answers)
    until(lambda: len(answers) > count + 20)
    is_over.set()
    for caller in callers:
        caller.join()
    assert {answer.status_code for answer in answers} == {200}


def test_a_model_that_its_host_lost_is_not_ready_and_comes_back_with_it(serving: Serving, looping: Path):
    serving.start_gateway()
    host = serving.start_host("h")
    host.load("m", looping)
    serving.publish(endpoint("m", variant_of(host, "m")))
    with httpx.Client(base_url=serving.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as http:
        assert infer(http, "m", 1).status_code == 200
        host.process.kill()
        host.process.wait()
        until(lambda: infer(http, "m", 1).status_code == 503)
        again = serving.start_host("h")
        again.bundles.joinpath("m").rename(again.bundles / "old")
        again.load("m", looping)
        until(lambda: infer(http, "m", 1).status_code == 200)


def test_an_order_to_nobody_says_so(serving: Serving, same: Path, tmp_path: Path):
    nobody = HostProcess(tmp_path / "no-folder", tmp_path / "no-bundles", serving.start_host("h").process)
    with pytest.raises(WorkerUnavailableError, match="did not carry out"):
        nobody.load("m", same)


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
