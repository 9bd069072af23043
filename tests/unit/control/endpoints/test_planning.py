"""Plans with a real worker: what is measured, what is kept, and what is said when the machine is too busy."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from modelyard.control.endpoints.planning.measuring import SIZES, Measurer
from modelyard.control.endpoints.planning.service import PlanningService, Wish
from modelyard.control.endpoints.reconciliation.bundles import BundleCache
from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.clock import SystemClock
from modelyard.kit.host import HostLoad
from modelyard.runtimes.bundle import read_manifest
from modelyard.runtimes.inspect import inspect
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.types.compute.scheduling import Quota
from modelyard.types.models import Lineage, ModelVersion
from modelyard.types.planning import QUANTILES, Measurement, ServicePoint

QUIET = HostLoad(cores=4, busy_share=0.1, steal_share=0.0, runnable=0.5, pressure=0.0)
BUSY = replace(QUIET, runnable=17)


class OneModel:
    """A registry with two versions of "linear": the second cannot be loaded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 1], np.ones(3, np.float32).tolist())
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "linear",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
            [weights],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, folder / "linear.onnx")
        (folder / "1").mkdir()
        inspect(folder / "linear.onnx", folder / "1")
        shutil.copytree(folder / "1", folder / "2")
        (folder / "2" / read_manifest(folder / "2").artifact).write_bytes(b"not a model")

    def quota(self, project: str) -> Quota:
        return Quota()

    def model_version(self, project: str, ref: str) -> ModelVersion:
        number = int(ref.partition(":")[2] or 1)
        return ModelVersion(
            project=project,
            model="linear",
            number=number,
            digest=hashlib.sha256(str(number).encode()).hexdigest(),
            size_bytes=1,
            manifest=read_manifest(self._folder / "1"),
            files=(),
            lineage=Lineage(),
            created_at=SystemClock().now(),
        )

    def download_model(self, version: ModelVersion, target: Path) -> None:
        shutil.copytree(self._folder / str(version.number), target, dirs_exist_ok=True)


class Planning:
    def __init__(self, database: Database, folder: Path) -> None:
        home = Home(folder / "home")
        home.create()
        (folder / "models").mkdir()
        registry = OneModel(folder / "models")
        self.engine = LocalEngine(home)
        self.sockets = home.sockets
        self.host: HostLoad | None = QUIET
        self.service = PlanningService(
            database=database,
            repository=EndpointRepository(),
            registry=registry,  # type: ignore[arg-type]
            measurer=Measurer(self.engine, BundleCache(home.cache, registry), home.sockets, SystemClock()),  # type: ignore[arg-type]
            observe=lambda: self.host,
            cores=4,
        )

    def plan(self, target: str = "linear:1", rate: float = 300, **wish: object):
        return self.service.plan("default", Wish(target=target, requests_per_second=rate, **wish))  # type: ignore[arg-type]


@pytest.fixture
def planning(database: Database, tmp_path: Path) -> Planning:
    return Planning(database, tmp_path)


def test_a_version_is_measured_once_in_a_worker_that_leaves_nothing_behind(planning: Planning):
    plan = planning.plan(p99_ms=1000.0)
    assert (plan.model, plan.reason, plan.is_host_saturated) == ("linear:1", "", False)
    assert [point.rows for point in plan.curve] == list(SIZES)[: len(plan.curve)]
    assert len(plan.curve) >= 3
    assert all(0 < point.quantiles_seconds[0] <= point.mean_seconds < 1 for point in plan.curve)
    assert plan.prediction is not None
    assert plan.prediction.replicas == 1
    assert plan.prediction.p50_ms is not None
    assert 0 < plan.prediction.p50_ms <= plan.prediction.p99_ms <= 1000  # type: ignore[operator]
    assert 0 < plan.cpu_seconds_per_1000 < 100
    assert plan.memory_bytes > 10 << 20
    assert (planning.engine.list(), list(planning.sockets.iterdir())) == ([], [])
    again = planning.plan(rate=301, p99_ms=1000.0)
    assert (again.measured_at, again.curve) == (plan.measured_at, plan.curve), "the recorded one is taken"
    assert planning.plan(is_measured_anew=True).measured_at > plan.measured_at  # type: ignore[operator]


def test_on_a_busy_machine_there_is_no_number(planning: Planning):
    planning.host = BUSY
    plan = planning.plan(p99_ms=20.0)
    assert (plan.is_host_saturated, plan.prediction, plan.curve) == (True, None, ())
    assert plan.reason == "host saturated: 17.0 tasks want to run on 4 processors, so no prediction would hold"


def known(planning: Planning, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """A measurement of so many seconds a row."""
    point = ServicePoint(rows=1, batches=100, mean_seconds=seconds, quantiles_seconds=(seconds,) * len(QUANTILES))
    measured = Measurement(
        curve=(point,), cpu_seconds_per_row=seconds, memory_bytes=100, measured_at=SystemClock().now()
    )
    monkeypatch.setattr(Measurer, "measure", lambda *_: measured)


@pytest.mark.parametrize(
    ("rate", "p99_ms", "reason"),
    [
        (150, 50.0, ""),
        (150, 5.0, "no number of replicas up to 4 keeps the p99 under 5 ms"),
        (390, None, "host saturated: the replicas would keep 3.9 processors busy, of 4 here 3.6 are free"),
    ],
)
def test_a_plan_says_why_a_load_does_not_fit(
    rate: float, p99_ms: float | None, reason: str, planning: Planning, monkeypatch: pytest.MonkeyPatch
):
    known(planning, monkeypatch, 0.01)
    plan = planning.plan(rate=rate, p99_ms=p99_ms)
    assert plan.reason == reason
    assert plan.is_host_saturated == (plan.prediction is None) == reason.startswith("host")


def test_costs_are_those_of_the_replicas(planning: Planning, monkeypatch: pytest.MonkeyPatch):
    known(planning, monkeypatch, 0.01)
    plan = planning.plan(rate=100, replicas=2)
    assert plan.prediction is not None
    assert (plan.prediction.replicas, plan.memory_bytes) == (2, 200)
    assert plan.cpu_seconds_per_1000 == pytest.approx(10, rel=0.05)
    assert plan.cores_needed == pytest.approx(1, rel=0.05)


def test_a_version_that_cannot_be_loaded_says_so(planning: Planning):
    with pytest.raises(WorkerUnavailableError, match=r"did not start.*cannot load the bundle"):
        planning.plan("linear:2")
    assert (planning.engine.list(), list(planning.sockets.iterdir())) == ([], [])
