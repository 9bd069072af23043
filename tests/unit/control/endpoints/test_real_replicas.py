"""The same rules with real sandboxed worker processes, a real model and real golden requests."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest

from modelyard.control.endpoints.assembly import assemble
from modelyard.control.endpoints.schemas import VariantSpec
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.rest.pages import PageQuery
from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.routing import FOLLOW_SECONDS, read_table
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.clock import SystemClock
from modelyard.runtimes.bundle import read_manifest
from modelyard.runtimes.inspect import inspect
from modelyard.server.gateway import write_configs
from modelyard.settings import Home, Settings
from modelyard.storage.database import Database
from modelyard.types.access import Role
from modelyard.types.compute.scheduling import Quota
from modelyard.types.endpoints import Endpoint, Scaling
from modelyard.types.models import Lineage, ModelVersion
from modelyard.types.routing import RouteToken

PAGE = PageQuery()
SECRET = "my_t_secret"
TOKEN = RouteToken(id="t", secret_sha256=hashlib.sha256(SECRET.encode()).hexdigest(), project=None, role=Role.VIEWER)


def write_linear_model(path: Path, factor: float) -> None:
    """y = factor * (x0 + x1 + x2), as ONNX."""
    import onnx
    from onnx import TensorProto, helper

    weights = np.full((3, 1), factor, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [3, 1], weights.tobytes(), raw=True)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


class FolderRegistry:
    """Versions of "linear" as bundle folders: 1 and 2 are good, 3 has a wrong golden answer, 4 cannot be loaded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for number in (1, 2):
            write_linear_model(folder / f"{number}.onnx", float(number))
            (folder / str(number)).mkdir()
            inspect(folder / f"{number}.onnx", folder / str(number))
        for number in (3, 4):
            shutil.copytree(folder / "2", folder / str(number))
        golden = (folder / "1" / "golden.json").read_bytes()
        (folder / "3" / "golden.json").write_bytes(golden)
        (folder / "4" / read_manifest(folder / "4").artifact).write_bytes(b"not a model")

    def quota(self, project: str) -> Quota:
        return Quota()

    def model_version(self, project: str, ref: str) -> ModelVersion:
        number = int(ref.partition(":")[2])
        return ModelVersion(
            project=project,
            model="linear",
            number=number,
            digest=hashlib.sha256(str(number).encode()).hexdigest(),
            size_bytes=1,
            manifest=read_manifest(self._folder / str(number)),
            files=(),
            lineage=Lineage(),
            created_at=SystemClock().now(),
        )

    def download_model(self, version: ModelVersion, target: Path) -> None:
        shutil.copytree(self._folder / str(version.number), target, dirs_exist_ok=True)

    def record_deployments(self, project: str, endpoint: str, refs: Sequence[str]) -> None:
        """Nothing to keep."""


class Platform:
    def __init__(self, database: Database, home: Home, registry: FolderRegistry) -> None:
        self.home = home
        self.engine = LocalEngine(home)
        clock = SystemClock()
        self.service, self.reconciler = assemble(
            database=database,
            registry=registry,
            engine=self.engine,
            events=EventService(database, EventRepository(), clock),
            tokens=lambda: [TOKEN],
            home=home,
            clock=clock,
        )

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.endpoint()
            self.reconciler.tick()
            time.sleep(0.02)

    def endpoint(self) -> Endpoint:
        return self.service.get("default", "linear")

    def served(self) -> list[tuple[int, int]]:
        route = next(iter(read_table(self.home.routing).endpoints), None) if self.home.routing.exists() else None
        return [] if route is None else [(variant.number, len(variant.replicas)) for variant in route.variants]

    def update(self, ref: str, replicas: int = 1) -> None:
        variants = [VariantSpec(model=ref, replicas=replicas)]
        self.service.update(
            "default", "linear", variants=variants, weights=None, capture_share=None, expected_version=None
        )

    def ask(self) -> float:
        """The model's answer to (1, 1, 1) from a replica in the routing table."""
        variant = read_table(self.home.routing).endpoints[0].variants[0]
        with WorkerClient(variant.replicas[0].address, 10) as client:
            return float(client.infer({"x": np.ones((1, 3), np.float32)})["y"].reshape(-1)[0])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> FolderRegistry:
    return FolderRegistry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def platform(database: Database, tmp_path: Path, registry: FolderRegistry) -> Iterator[Platform]:
    home = Home(tmp_path / "home")
    home.create()
    platform = Platform(database, home, registry)
    yield platform
    for state in platform.engine.list():
        platform.engine.remove(state.id)
    shutil.rmtree(home.sockets, ignore_errors=True)


def test_a_model_is_served_updated_and_survives_a_killed_worker(platform: Platform, database: Database, registry):
    platform.service.create("default", "linear", [VariantSpec(model="linear:1")], None, None)
    platform.until(lambda: platform.served() == [(1, 1)])
    assert platform.ask() == 3.0
    shown = platform.endpoint()
    assert (shown.status, shown.replicas[0].status) == ("READY", "READY")
    assert shown.replicas[0].sandbox is platform.engine.sandbox_level()

    os.kill(shown.replicas[0].pid, signal.SIGKILL)
    platform.until(lambda: platform.endpoint().replicas[0].pid not in (None, shown.replicas[0].pid))
    platform.until(lambda: platform.served() == [(1, 1)])
    assert platform.ask() == 3.0

    platform = Platform(database, platform.home, registry)  # control was killed and started again
    platform.update("linear:2")
    platform.until(lambda: platform.served() == [(2, 1)])
    assert platform.ask() == 6.0
    platform.until(lambda: len(platform.engine.list()) == 1)

    platform.service.delete("default", "linear", None)
    platform.until(lambda: not platform.service.list("default", PAGE).items)
    assert platform.engine.list() == []
    assert list(platform.home.sockets.glob("r-*")) == []


@pytest.mark.slow
def test_versions_that_answer_wrongly_or_cannot_be_loaded_never_get_traffic(platform: Platform):
    platform.service.create("default", "linear", [VariantSpec(model="linear:1")], None, None)
    platform.until(lambda: platform.served() == [(1, 1)])
    for bad, words in ((3, "golden request 0: output 'y' is"), (4, "cannot load the bundle")):
        platform.update(f"linear:{bad}")
        platform.until(lambda: platform.endpoint().rollout.status != "RUNNING")
        assert platform.endpoint().rollout.status == "ROLLED_BACK"
        assert words in platform.endpoint().rollout.reason
        assert platform.served() == [(1, 1)]
        assert platform.ask() == 3.0
    platform.until(lambda: len(platform.engine.list()) == 1)


class Callers:
    """Threads that call the endpoint through a real gateway, one request after another, and count the answers."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[tuple[int, float]] = Counter()
        self.faults: list[str] = []
        self._url = url
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 1, 1]}
        with httpx.Client(headers={"Authorization": f"Bearer {SECRET}"}, timeout=30) as client:
            while not self._is_over.is_set():
                answer = client.post(f"{self._url}/v2/models/linear/infer", json={"inputs": [tensor]})
                if answer.status_code == 200:
                    self.answers[
                        int(answer.headers["X-Modelyard-Model"][-1]), answer.json()["outputs"][0]["data"][0]
                    ] += 1
                else:
                    self.faults.append(answer.text)


@pytest.fixture
def gateway(platform: Platform) -> Iterator[str]:
    """The URL of a real gateway process that follows the platform's routing table."""
    home = platform.home
    write_configs(Settings(home=home.root, port=0))
    command = [sys.executable, "-m", "modelyard.server.gateway", "--home", str(home.root)]
    address = home.run / "gateway.json"
    with (home.logs / "gateway.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while not address.exists():
        assert process.poll() is None, (home.logs / "gateway.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield json.loads(address.read_text())["url"]
    process.terminate()
    process.wait(timeout=30)


@pytest.mark.slow
def test_no_request_fails_while_versions_change_and_workers_are_killed(platform: Platform, gateway: str):
    platform.service.create("default", "linear", [VariantSpec(model="linear:1", replicas=2)], None, None)
    platform.until(lambda: platform.served() == [(1, 2)])
    time.sleep(FOLLOW_SECONDS)
    callers = Callers(gateway)
    try:
        for number in (2, 1, 2):
            platform.update(f"linear:{number}", replicas=2)
            platform.until(lambda number=number: platform.served() == [(number, 2)])
            platform.until(lambda: len(platform.engine.list()) == 2)
            os.kill(platform.endpoint().replicas[0].pid, signal.SIGKILL)
            platform.until(lambda number=number: platform.served() == [(number, 1)])
            platform.until(lambda number=number: platform.served() == [(number, 2)])
        platform.service.scale("default", "linear", 1, None)
        platform.until(lambda: len(platform.engine.list()) == 1)
    finally:
        callers.stop()
    assert callers.faults == []
    assert set(callers.answers) == {(1, 3.0), (2, 6.0)}, "each answer is the one of the version that it names"
    assert sum(callers.answers.values()) > 500


def test_an_idle_endpoint_is_woken_by_the_request_that_waits_for_it(platform: Platform, gateway: str):
    platform.service.create("default", "linear", [VariantSpec(model="linear:1")], None, None)
    platform.until(lambda: platform.endpoint().status == "READY")
    scaling = Scaling(minimum_replicas=0, idle_seconds=1)
    changes = {"variants": None, "weights": None, "capture_share": None, "expected_version": None}
    platform.service.update("default", "linear", **changes, scaling=scaling)
    platform.until(lambda: platform.endpoint().status == "IDLE" and not platform.engine.list())
    callers = Callers(gateway)
    try:
        platform.until(lambda: sum(callers.answers.values()) > 20)
        assert len(platform.engine.list()) == 1
    finally:
        callers.stop()
    assert (callers.faults, set(callers.answers)) == ([], {(1, 3.0)})
    platform.until(lambda: platform.endpoint().status == "IDLE" and not platform.engine.list())
