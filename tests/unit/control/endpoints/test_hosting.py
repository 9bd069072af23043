"""Replicas in model hosts: where they are placed (pure), and their whole life with real hosts in real sandboxes."""

import hashlib
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelyard.control.endpoints.assembly import assemble
from modelyard.control.endpoints.hosting.placement import HostView, choose, surplus
from modelyard.control.endpoints.hosting.policy import HostingPolicy
from modelyard.control.endpoints.records import ReplicaRecord, Slot
from modelyard.control.endpoints.schemas import VariantSpec
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.rest.pages import PageQuery
from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.dataplane.routing import read_table
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.clock import FakeClock, SystemClock
from modelyard.runtimes.bundle import read_manifest
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.testing.looping_model import FOR_EVER, looping_bundle
from modelyard.types.compute.scheduling import Quota
from modelyard.types.endpoints import Endpoint, ReplicaStatus
from modelyard.types.models import ArtifactFormat, Lineage, ModelVersion
from modelyard.types.processes import ProcessState, Resources

POLICY = HostingPolicy(spare_workers=1)
PLAIN = Resources()


def replica(endpoint: str = "a", ordinal: int = 0, project: str = "default", **values: object) -> ReplicaRecord:
    return ReplicaRecord(
        id=f"replica-{project}-{endpoint}-{ordinal}",
        project=project,
        endpoint=endpoint,
        slot=Slot("main", "m", 1, PLAIN, ordinal),
        status=ReplicaStatus.READY,
        reason="",
        failures=0,
        pid=None,
        sandbox=None,
        created_at=FakeClock().now(),
        started_at=None,
        ready_at=None,
        retry_at=None,
        **values,
    )


def placed(hosts: Sequence[HostView], wanted: ReplicaRecord, size: int = 1000, *, is_alone: bool = False) -> str | None:
    return choose(hosts, wanted, size_bytes=size, is_alone=is_alone, policy=POLICY)


def test_models_of_a_project_fill_one_host_after_another():
    fuller = HostView(id="fuller", project="default", residents=(replica("a"), replica("b")))
    emptier = HostView(id="emptier", project="default", residents=(replica("c"),))
    fresh = HostView(id="fresh", project="")
    assert placed([emptier, fuller, fresh], replica("d")) == "fuller"
    assert placed([emptier, fuller, fresh], replica("d", project="other")) == "fresh"
    assert placed([emptier, fuller, fresh], replica("d"), is_alone=True) == "fresh"
    assert placed([emptier, fuller, fresh], replica("a", ordinal=1)) == "emptier", "apart from its own other replica"
    assert placed([emptier], replica("d"), is_alone=True) is None


@pytest.mark.parametrize(
    "change",
    [
        {"residents": (replica("a", has_own_host=True),)},
        {"residents": tuple(replica(f"e{number}") for number in range(POLICY.most_models))},
        {"resident_bytes": POLICY.host_memory_bytes},
        {"busy_share": 0.9},
        {"residents": ()},
    ],
)
def test_a_host_that_is_full_busy_used_up_or_somebodys_own_takes_no_further_model(change: dict[str, object]):
    host = HostView(id="host", project="default", residents=(replica("a"),))
    assert placed([host], replica("z")) == "host"
    assert placed([replace(host, **change)], replica("z")) is None


def test_hosts_that_have_served_and_spare_ones_beyond_the_number_are_ended():
    used = HostView(id="used", project="default")
    busy = HostView(id="busy", project="default", residents=(replica(),))
    spares = [HostView(id=f"spare-{number}", project="") for number in range(3)]
    assert surplus([used, busy, *spares], 1) == ["used", "spare-1", "spare-2"]
    assert surplus([busy, *spares], 3) == []


def test_hosts_take_small_and_middling_onnx_without_limits_of_its_own():
    slot = replica().slot
    assert POLICY.takes(slot, ArtifactFormat.ONNX, 1 << 20)
    assert POLICY.takes(slot, ArtifactFormat.ONNX, 60 << 20)
    assert not POLICY.takes(slot, ArtifactFormat.ONNX, 65 << 20)
    assert not POLICY.takes(slot, ArtifactFormat.SKOPS, 1)
    assert not POLICY.takes(replace(slot, resources=Resources(cpus=2)), ArtifactFormat.ONNX, 1)
    assert not HostingPolicy(spare_workers=0).takes(slot, ArtifactFormat.ONNX, 9 << 20)
    assert POLICY.is_alone(replica(), 9 << 20)
    assert POLICY.is_alone(replica(host_faults=2), 1)
    assert not POLICY.is_alone(replica(host_faults=1), 1)


class LoopingRegistry:
    """One looping model under every name and number."""

    def __init__(self, folder: Path) -> None:
        self._bundle = looping_bundle(folder / "looping")

    def quota(self, project: str) -> Quota:
        return Quota()

    def model_version(self, project: str, ref: str) -> ModelVersion:
        model, _, number = ref.partition(":")
        return ModelVersion(
            project=project,
            model=model,
            number=int(number or 1),
            digest=hashlib.sha256(ref.encode()).hexdigest(),
            size_bytes=1,
            manifest=read_manifest(self._bundle),
            files=(),
            lineage=Lineage(),
            created_at=SystemClock().now(),
        )

    def download_model(self, version: ModelVersion, target: Path) -> None:
        shutil.copytree(self._bundle, target, dirs_exist_ok=True)

    def record_deployments(self, project: str, endpoint: str, refs: Sequence[str]) -> None:
        """Nothing to keep."""


class Platform:
    """Real hosts; `restart` is a control process that was killed and started again."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.home = Home(folder / "home")
        self.home.create()
        self.engine = LocalEngine(self.home)
        self.registry = LoopingRegistry(folder)
        self.events = EventService(database, EventRepository(), SystemClock())
        self.restart()

    def restart(self) -> None:
        self.service, self.reconciler = assemble(
            database=self.database,
            registry=self.registry,
            engine=self.engine,
            events=self.events,
            tokens=list,
            home=self.home,
            clock=SystemClock(),
            hosting=POLICY,
        )

    def create(self, name: str, project: str = "default", **options: object) -> None:
        self.service.create(project, name, [VariantSpec(model=f"{name}:1", **options)], None, None)

    def endpoint(self, name: str, project: str = "default") -> Endpoint:
        return self.service.get(project, name)

    def until(self, condition: Callable[[], object], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, [state for state in self.engine.list() if not state.is_alive]
            self.reconciler.tick()
            time.sleep(0.02)

    def until_ready(self, *names: str, project: str = "default") -> None:
        self.until(lambda: all(self.endpoint(name, project).status == "READY" for name in names))

    def hosts(self) -> list[ProcessState]:
        return [state for state in self.engine.list({"kind": "model-host"}) if state.is_alive]

    def host_of(self, name: str, project: str = "default") -> str:
        return next(one.process for one in self.endpoint(name, project).replicas if one.status == "READY")

    def pid_of(self, name: str) -> int:
        pid = self.endpoint(name).replicas[0].pid
        assert pid is not None
        return pid

    def ask(self, name: str, rounds: int, timeout_seconds: float = 30.0) -> int:
        address = next(
            route.variants[0].replicas[0].address
            for route in read_table(self.home.routing).endpoints
            if route.name == name
        )
        folder, _, place = address.rpartition("models#")
        with WorkerClient(folder + place, timeout_seconds) as client:
            return int(client.infer({"rounds": np.array([[rounds]])})["done"][0, 0])

    def die_at_work(self, name: str, number: signal.Signals = signal.SIGSEGV) -> None:
        """The process of an endpoint dies while this endpoint's model is in a batch."""
        pid = self.pid_of(name)
        with pytest.raises(WorkerUnavailableError):  # by then it is at work, also on a busy machine
            self.ask(name, FOR_EVER, timeout_seconds=2.0)
        os.kill(pid, number)

    def failures(self, name: str) -> list[str]:
        page = self.events.list("default", f"endpoint/{name}", PageQuery(limit=500), is_oldest_first=True)
        return [event.message for event in page.items if event.kind == "replica_failed"]


@pytest.fixture
def platform(database: Database, tmp_path: Path):
    platform = Platform(database, tmp_path)
    yield platform
    for state in platform.engine.list():
        platform.engine.remove(state.id)


@pytest.mark.slow
def test_ten_endpoints_share_a_process_while_another_project_and_an_isolated_one_have_their_own(platform: Platform):
    names = [f"e{number}" for number in range(10)]
    for name in names:
        platform.create(name)
    platform.until_ready(*names)
    assert len({platform.host_of(name) for name in names}) == 1
    assert [platform.ask(name, 7) for name in names] == [7] * 10
    platform.until(lambda: len(platform.hosts()) == 2)  # the second one is spare
    platform.create("alone", is_isolated=True)
    platform.create("foreign", project="other")
    platform.until_ready("alone")
    platform.until_ready("foreign", project="other")
    platform.create("late")
    platform.until_ready("late")
    shares = Counter([platform.host_of(name) for name in (*names, "late", "alone")])
    assert sorted(shares.values()) == [1, 11]
    assert platform.host_of("foreign", "other") not in shares
    for name in (*names, "late", "alone"):
        platform.service.delete("default", name, None)
    platform.service.delete("other", "foreign", None)
    platform.until(lambda: not platform.engine.list())  # the spare one too: nothing is deployed any more


@pytest.mark.slow
def test_a_crash_is_laid_to_the_model_at_work_and_the_second_one_gives_it_a_process_of_its_own(platform: Platform):
    platform.create("bad")
    platform.create("good")
    platform.until_ready("bad", "good")
    for crash in (1, 2):
        shared = platform.host_of("bad")
        assert platform.host_of("good") == shared
        platform.die_at_work("bad")
        platform.until(lambda crash=crash: len(platform.failures("good")) == crash)
        platform.until_ready("bad", "good")
        assert shared not in (platform.host_of("bad"), platform.host_of("good"))
    assert platform.host_of("bad") != platform.host_of("good")
    assert "its model host ended while it was at work" in platform.failures("bad")[0]
    assert "SIGNAL" in platform.failures("bad")[0]
    assert (
        "the model host that it shared ended while 'bad:1' of endpoint 'bad' was at work"
        in platform.failures("good")[0]
    )
    platform.die_at_work("bad")
    platform.until(lambda: len(platform.failures("bad")) == 3)
    assert len(platform.failures("good")) == 2, "it is out of reach now"
    assert platform.ask("good", 3) == 3


@pytest.mark.slow
def test_what_was_killed_idle_comes_back_and_control_may_be_killed_as_well(platform: Platform):
    names = ("a", "b", "c")
    for name in names:
        platform.create(name)
    platform.until_ready(*names)
    host, pid = platform.host_of("a"), platform.pid_of("a")
    platform.restart()
    platform.until_ready(*names)
    assert {platform.host_of(name) for name in names} == {host}, "they were found, not started anew"
    assert platform.pid_of("a") == pid
    os.kill(pid, signal.SIGKILL)
    assert not platform.engine.wait(host, 20).is_alive  # no round in between
    shown = platform.endpoint("a").replicas[0]
    assert (shown.status, shown.pid) == ("ENDED", None), "even before the next round"
    platform.restart()
    platform.until(lambda: all(platform.failures(name) for name in names))
    platform.until_ready(*names)
    assert all("its model host ended: " in platform.failures(name)[0] for name in names)
    platform.service.stop("default", "a")
    platform.until(lambda: platform.endpoint("a").status == "STOPPED" and not platform.endpoint("a").replicas)
    assert platform.ask("b", 5) == 5


@pytest.mark.slow
def test_a_new_version_takes_over_in_the_same_process_and_the_old_one_is_unloaded(platform: Platform):
    platform.create("a")
    platform.until_ready("a")
    before = platform.pid_of("a")
    platform.service.update(
        "default",
        "a",
        variants=[VariantSpec(model="a:2")],
        weights=None,
        capture_share=None,
        expected_version=None,
    )
    platform.until(lambda: platform.endpoint("a").variants[0].number == 2 and len(platform.endpoint("a").replicas) == 1)
    assert platform.pid_of("a") == before
    assert platform.ask("a", 9) == 9
    platform.service.scale("default", "a", 2, None)
    platform.until(lambda: [one.status for one in platform.endpoint("a").replicas] == ["READY", "READY"])
    assert len({one.process for one in platform.endpoint("a").replicas}) == 2, "replicas of one version live apart"
