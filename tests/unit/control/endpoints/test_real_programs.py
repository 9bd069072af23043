"""A model that is a program, in a real sandbox: what it does wrong is noticed, named and repaired."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from modelyard.control.endpoints.assembly import assemble
from modelyard.control.endpoints.reconciliation.timing import Timing
from modelyard.control.endpoints.schemas import VariantSpec
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.repository import EnvironmentRepository
from modelyard.control.environments.schemas import EnvironmentCreate
from modelyard.control.environments.service import EnvironmentService
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.models.bundles import bundle_files
from modelyard.control.models.registration import Submission
from modelyard.control.rest.pages import PageQuery
from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import ModelFailedError, WorkerUnavailableError
from modelyard.dataplane.routing import read_table
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.clock import SystemClock
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.testing.registry import LocalRegistry
from modelyard.types.endpoints import Endpoint, EndpointStatus

SCRIPT = """
import os, re, sys
import numpy as np

def load(folder):
    global factor
    factor = float(open(os.path.join(folder, "weights", "factor.txt")).read())

def predict(inputs):
    x = inputs["x"]
    act = x[0, 0]
    if act == 101:
        print("the model gives up", flush=True)
        os._exit(7)
    if act == 102:
        re.fullmatch("(a+)+b", "a" * 64)
    if act == 103:
        hoard = [np.ones(1 << 24) for _ in range(64)]
    if act == 104:
        return {"y": np.full(len(x), np.nan)}
    if act == 105:
        raise ValueError("this one it does not like")
    if len(x) > LARGEST:
        raise MemoryError("too many rows")
    return {"y": x.sum(axis=1) * factor}
"""
SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
}
CRASHES, HANGS, HOARDS, IS_NAN, RAISES = 101, 102, 103, 104, 105


def write_script(folder: Path, largest: int = 1_000_000, factor: float = 2.0) -> Path:
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "factor.txt").write_text(str(factor))
    (folder / "model.py").write_text(SCRIPT.replace("LARGEST", str(largest)))
    (folder / "signature.json").write_text(json.dumps(SIGNATURE))
    return folder


class Platform:
    def __init__(self, database: Database, home: Home) -> None:
        self.home = home
        self.database = database
        self.engine = LocalEngine(home)
        clock = SystemClock()
        self.registry = LocalRegistry(database, home.run, self.engine)
        self.registry.projects.permit_code("default", "tests")
        self.events = EventService(database, EventRepository(), clock)
        self.service, self.reconciler = assemble(
            database=database,
            registry=self.registry.client(),
            engine=self.engine,
            events=self.events,
            tokens=list,
            home=home,
            clock=clock,
            timing=Timing(hang_seconds=1.0, first_retry_seconds=0.1, longest_retry_seconds=0.1),
        )

    def register(self, folder: Path) -> None:
        self.registry.registration.register("default", "program", bundle_files(folder), Submission())

    def deploy(self, **options: object) -> None:
        self.service.create("default", "program", [VariantSpec(model="program", **options)], None, None)

    def endpoint(self) -> Endpoint:
        return self.service.get("default", "program")

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.endpoint()
            self.reconciler.tick()
            time.sleep(0.02)

    def failures(self) -> list[str]:
        events = self.events.list("default", "endpoint/program", PageQuery(limit=500), is_oldest_first=True).items
        return [event.message for event in events if event.kind == "replica_failed"]

    def until_ready(self) -> None:
        self.until(lambda: self.endpoint().status is EndpointStatus.READY and self._replicas())

    def _replicas(self) -> list[str]:
        return [replica.address for replica in read_table(self.home.routing).endpoints[0].variants[0].replicas]

    def ask(self, value: float) -> float:
        with WorkerClient(self._replicas()[0], timeout_seconds=10) as client:
            return float(client.infer({"x": np.array([[value, 1, 1]], np.float32)})["y"][0])


@pytest.fixture
def platform(database: Database, tmp_path: Path) -> Iterator[Platform]:
    home = Home(tmp_path / "home")
    home.create()
    platform = Platform(database, home)
    yield platform
    for state in platform.engine.list():
        platform.engine.remove(state.id)
    shutil.rmtree(home.sockets, ignore_errors=True)


@pytest.mark.slow
def test_what_a_script_does_wrong_is_named_and_its_replica_replaced(platform: Platform, tmp_path: Path):
    platform.register(write_script(tmp_path / "script"))
    platform.deploy(resources={"cpus": 1, "memory_bytes": 400 << 20})
    platform.until_ready()
    assert platform.ask(1) == 6.0
    with pytest.raises(ModelFailedError, match="ValueError: this one it does not like"):
        platform.ask(RAISES)

    assert np.isnan(platform.ask(IS_NAN))
    platform.until(lambda: "answered NaN in output 'y'" in platform.endpoint().reason)
    assert platform.endpoint().status is EndpointStatus.READY

    for act, words in (
        (CRASHES, ("exit code 7", "the model gives up")),
        (HANGS, ("its model hung", "in fullmatch", "in predict")),
        (HOARDS, ("OUT_OF_MEMORY", "400 MiB")),
    ):
        known = len(platform.failures())
        with pytest.raises(WorkerUnavailableError):
            platform.ask(act)
        platform.until(lambda known=known: len(platform.failures()) > known)
        assert all(word in platform.failures()[-1] for word in words), platform.failures()[-1]
        platform.until_ready()
        assert platform.ask(1) == 6.0


@pytest.mark.slow
def test_a_script_that_fails_on_large_batches_never_gets_traffic(platform: Platform, tmp_path: Path):
    platform.register(write_script(tmp_path / "script", largest=100))
    platform.deploy()
    platform.until(platform.failures)
    assert "in a batch of 256" in platform.failures()[0]
    assert "too many rows" in platform.failures()[0]


WHERE = """
import os, sys

def load(folder):
    pass

def predict(inputs):
    import inflection
    return {"y": inputs["x"].sum(axis=1) * 0 + int(os.path.basename(sys.prefix)[:4], 16)}
"""


@pytest.mark.slow
def test_a_program_is_served_in_the_very_environment_that_it_was_registered_with(platform: Platform, tmp_path: Path):
    builder = EnvironmentBuilder(platform.engine, platform.home.environments)
    named = EnvironmentService(platform.database, EnvironmentRepository(), builder, SystemClock())
    made = named.build(EnvironmentCreate(name="scoring", requirements="inflection\nnumpy>=2\n"), "ann")
    assert any(line.startswith("inflection==") for line in made.packages)
    folder = tmp_path / "where"
    folder.mkdir()
    texts = {"model.py": WHERE, "signature.json": json.dumps(SIGNATURE), "requirements.txt": made.requirements}
    for name, text in {**texts, "environment.lock": made.lock}.items():
        (folder / name).write_text(text)
    platform.register(folder)
    version = platform.registry.models.version("default", "program", "1")
    assert {file.path: file.digest for file in version.files}["environment.lock"] == made.digest
    platform.deploy()
    platform.until_ready()
    built = builder.ensure(made.lock).parent.parent
    assert platform.ask(0.0) == int(built.name[:4], 16)
    assert named.build(EnvironmentCreate(name="scoring", requirements="inflection\nnumpy>=2\n"), "bob") == made
