"""A platform of fakes around the real endpoint service, reconciler and database."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pytest

from modelyard.control.endpoints.assembly import assemble
from modelyard.control.endpoints.reconciliation.launch import Launcher
from modelyard.control.endpoints.reconciliation.timing import Timing
from modelyard.control.endpoints.scaling.resting import IdlePolicy
from modelyard.control.endpoints.schemas import VariantSpec
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.rest.pages import PageQuery
from modelyard.dataplane.demand import DemandWriter
from modelyard.dataplane.routing import read_table
from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.errors import NotFoundError, UnavailableError
from modelyard.kit.clock import FakeClock
from modelyard.runtimes.bundle import write_manifest
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.types.compute.scheduling import Quota
from modelyard.types.endpoints import Endpoint
from modelyard.types.models import ArtifactFormat, Lineage, Manifest, ModelCard, ModelVersion
from modelyard.types.processes import (
    EndCause,
    LogChunk,
    ProcessEnd,
    ProcessSpec,
    ProcessState,
    ProcessStatus,
    SandboxLevel,
)
from modelyard.types.routing import RouteEndpoint, RouteToken
from modelyard.types.signatures import DataType, Signature, TensorSpec

SIGNATURE = Signature(inputs=(TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 2)),), outputs=())


class FakeEngine(Engine):
    """Processes in a dictionary, on `node` and reached at `address`; the test says what becomes of them."""

    name = "fake"
    node = ""
    address = ""

    def __init__(self) -> None:
        self.states: dict[str, ProcessState] = {}
        self.specs: dict[str, ProcessSpec] = {}
        self.stops: list[str] = []
        self._next_pid = 1000

    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        if process_id not in self.states:
            self._next_pid += 1
            self.specs[process_id] = spec
            self.states[process_id] = ProcessState(
                id=process_id,
                status=ProcessStatus.RUNNING,
                sandbox=SandboxLevel.BUBBLEWRAP,
                labels=spec.labels,
                pid=self._next_pid,
                node=self.node,
                address=self.address,
            )

    def state(self, process_id: str) -> ProcessState:
        if process_id not in self.states:
            raise ProcessNotFoundError(process_id)
        return self.states[process_id]

    def stop(self, process_id: str, *, grace_seconds: float = 5.0, is_preemption: bool = False) -> None:
        self.stops.append(process_id)
        self.end(process_id, EndCause.STOPPED, "it was stopped")

    def end(self, process_id: str, cause: EndCause, message: str, log_tail: str = "") -> None:
        end = ProcessEnd(cause=cause, message=message, log_tail=log_tail)
        self.states[process_id] = replace(self.state(process_id), status=ProcessStatus.ENDED, end=end)

    def wait(self, process_id: str, timeout_seconds: float) -> ProcessState:
        return self.state(process_id)

    def logs(self, process_id: str, offset: int = 0, limit: int = 1 << 20) -> LogChunk:
        return LogChunk(text="", next_offset=offset)

    def remove(self, process_id: str) -> None:
        self.states.pop(process_id, None)

    def reap(self) -> list[str]:
        return []

    def sandbox_level(self) -> SandboxLevel:
        return SandboxLevel.BUBBLEWRAP

    def alive(self) -> list[str]:
        return [state.id for state in self.states.values() if state.is_alive]

    def list(self, labels: Mapping[str, str] | None = None) -> Sequence[ProcessState]:
        return [state for state in self.states.values() if (labels or {}).items() <= state.labels.items()]


class FakeRegistry:
    """Versions of the model "digits", numbered; the newest is 9."""

    def __init__(self) -> None:
        self.is_down = False
        self.deployments: dict[str, tuple[str, ...]] = {}
        self.downloads: list[int] = []

    def quota(self, project: str) -> Quota:
        return Quota()

    def model_version(self, project: str, ref: str) -> ModelVersion:
        self._answer()
        model, _, number = ref.partition(":")
        if model != "digits":
            raise NotFoundError(f"There is no model '{model}'")
        return ModelVersion(
            project=project,
            model=model,
            number=int(number or 9),
            digest=hashlib.sha256(f"{number or 9}".encode()).hexdigest(),
            size_bytes=1,
            manifest=Manifest(
                artifact="m", artifact_format=ArtifactFormat.ONNX, signature=SIGNATURE, card=ModelCard(task="other")
            ),
            files=(),
            lineage=Lineage(),
            created_at=FakeClock().now(),
        )

    def download_model(self, version: ModelVersion, target: Path) -> None:
        self._answer()
        self.downloads.append(version.number)
        (target / "m").write_text(str(version.number))
        write_manifest(target, version.manifest)

    def record_deployments(self, project: str, endpoint: str, refs: Sequence[str]) -> None:
        self._answer()
        self.deployments[endpoint] = tuple(refs)

    def _answer(self) -> None:
        if self.is_down:
            raise UnavailableError("The registry does not answer")


@dataclass
class Platform:
    """Everything a test turns and looks at. `golden` maps a model number to its wrong answers,
    `idle_hours` is when the project lets its endpoints rest."""

    database: Database
    home: Home
    clock: FakeClock = field(default_factory=FakeClock)
    engine: FakeEngine = field(default_factory=FakeEngine)
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    tokens: list[RouteToken] = field(default_factory=list)
    golden: dict[int, list[str]] = field(default_factory=dict)
    is_mute: bool = False
    idle_hours: float | None = None

    def __post_init__(self) -> None:
        self.events = EventService(self.database, EventRepository(), self.clock)
        self.restart()

    @cached_property
    def gateway(self) -> DemandWriter:
        """What a living gateway reports by."""
        return DemandWriter(self.home.demand / "gateway")

    def restart(self) -> None:
        """A new process on the same state: what the old one remembered is gone."""
        self.service, self.reconciler = assemble(
            database=self.database,
            registry=self.registry,
            engine=self.engine,
            events=self.events,
            tokens=lambda: self.tokens,
            home=self.home,
            clock=self.clock,
            timing=Timing(),
            idle_policy=IdlePolicy(lambda _project: self.idle_hours, 0.0, self.clock),
        )

    def create(self, *refs: str, **options: object) -> Endpoint:
        variants = [VariantSpec(name=f"v{i}", model=ref, **options) for i, ref in enumerate(refs or ("digits:1",))]
        return self.service.create("default", "digits", variants, None, None)

    def update(self, *refs: str, **options: object) -> Endpoint:
        variants = [VariantSpec(name=f"v{i}", model=ref) for i, ref in enumerate(refs)] or None
        values = {"weights": None, "capture_share": None, "expected_version": None} | options
        return self.service.update("default", "digits", variants=variants, **values)

    def endpoint(self) -> Endpoint:
        return self.service.get("default", "digits")

    def tick(self, seconds: float = 0.3) -> None:
        self.clock.sleep(seconds)
        self.reconciler.tick()

    def until(self, condition: Callable[[], object], seconds: float = 0.3) -> None:
        """Rounds until `condition` holds; background threads get real time in between."""
        for _ in range(400):
            if condition():
                return
            self.tick(seconds)
            time.sleep(0.002)
        raise AssertionError(f"never came: {self.kinds()} {self.engine.states}")

    def status(self) -> str:
        return str(self.endpoint().status)

    def until_status(self, status: str) -> Endpoint:
        self.until(lambda: self.status() == status)
        return self.endpoint()

    def route(self) -> RouteEndpoint | None:
        table = read_table(self.home.routing)
        return next((each for each in table.endpoints if each.name == "digits"), None)

    def served(self) -> list[tuple[str, int, float, int]]:
        """(variant, number, weight, ready replicas) as the gateway sees them."""
        route = self.route() if self.home.routing.exists() else None
        return [] if route is None else [(v.name, v.number, v.weight, len(v.replicas)) for v in route.variants]

    def kinds(self) -> list[str]:
        page = self.events.list("default", "endpoint/digits", PageQuery(limit=500), is_oldest_first=True)
        return [event.kind for event in page.items]

    def alive_numbers(self) -> list[int]:
        """Numbers of the model versions whose workers run."""
        commands = [self.engine.specs[process].command for process in self.engine.alive()]
        digests = {hashlib.sha256(str(n).encode()).hexdigest(): n for n in range(10)}
        return sorted(digests[Path(command[command.index("--bundle") + 1]).name] for command in commands)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def platform(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> Iterator[Platform]:
    home = Home(tmp_path / "home")
    home.create()
    platform = Platform(database, home, clock)
    monkeypatch.setattr(Launcher, "is_listening", lambda _self, _id: not platform.is_mute)
    monkeypatch.setattr(Launcher, "prove", lambda _self, r, _digest, _t: platform.golden.get(r.slot.number, []))
    yield platform
    platform.gateway.close()
