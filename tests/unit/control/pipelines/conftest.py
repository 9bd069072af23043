"""A yard in which pipelines run on a real database, with kinds of steps that do as they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from modelyard.control.pipelines.caching.pinning import Pinning
from modelyard.control.pipelines.execution import PipelineExecution
from modelyard.control.pipelines.kinds.approval import ApproveStep
from modelyard.control.pipelines.kinds.base import Progress, Stage, StepContext
from modelyard.control.pipelines.kinds.condition import ConditionStep
from modelyard.control.pipelines.repository import PipelineRepository
from modelyard.control.pipelines.runs import RunService
from modelyard.control.pipelines.schemas import PipelineChange
from modelyard.control.pipelines.service import PipelineService
from modelyard.control.pipelines.stepping import Stepping
from modelyard.control.pipelines.triggering import Triggering
from modelyard.errors import NotFoundError
from modelyard.kit.clock import FakeClock
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, PipelineDefinition, ValueType
from modelyard.types.pipelines.runs import PipelineRun, StepState

PROJECT = "default"
WORK = KindDescription(
    name="work",
    description="Counts up.",
    inputs=(
        InputSpec(name="number", type=ValueType.INTEGER, description="A number."),
        InputSpec(name="data", type=ValueType.DATASET, description="A dataset."),
        InputSpec(name="options", type=ValueType.MAPPING, description="More.", item="option"),
        InputSpec(name="limit", type=ValueType.INTEGER, description="Of memory.", is_content=False),
    ),
    outputs=(
        OutputSpec(name="sum", type=ValueType.INTEGER, description="One more."),
        OutputSpec(name="figures", type=ValueType.FIGURES, description="By name."),
        OutputSpec(name="model", type=ValueType.MODEL, description="A model."),
    ),
    is_cacheable=True,
)


@dataclass
class Work:
    """A kind whose work is done at the second look. `failures` says how often each step fails first."""

    description: KindDescription = WORK
    begun: dict[str, str] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    outages: list[Exception] = field(default_factory=list)
    never_ends: set[str] = field(default_factory=set)

    def begin(self, context: StepContext, inputs: dict[str, Any]) -> Progress:
        if self.outages:
            raise self.outages.pop()
        handle = self.begun.setdefault(context.key, f"work-{len(self.begun)}")
        return Progress(stage=Stage.RUNNING, handle=handle)

    def look(self, context: StepContext, inputs: dict[str, Any], handle: str) -> Progress:
        if handle in self.stopped:
            return Progress(stage=Stage.STOPPED, message="It was stopped.")
        self.looks[handle] = self.looks.get(handle, 0) + 1
        if self.looks[handle] < 2 or context.step in self.never_ends:
            return Progress(stage=Stage.RUNNING, handle=handle)
        if context.attempt <= self.failures.get(context.step, 0):
            return Progress(stage=Stage.FAILED, message="The column is empty.")
        self.finished.append(handle)
        made = inputs.get("number", 0) + 1
        return Progress(stage=Stage.COMPLETED, outputs={"sum": made, "figures": {"r2": made / 10}, "model": "m:1"})

    def stop(self, context: StepContext, handle: str) -> bool:
        self.stopped.append(handle)
        return True


@dataclass
class Registry:
    """Datasets by name with the digest of each version, and models by reference."""

    datasets: dict[str, list[str]] = field(default_factory=lambda: {"houses": ["a"]})
    models: set[str] = field(default_factory=lambda: {"m:1"})

    def dataset_version(self, project: str, dataset: str, number: int | None = None) -> SimpleNamespace:
        digests = self.datasets.get(dataset)
        if digests is None:
            raise NotFoundError(f"There is no dataset '{dataset}'", hint="Upload it.")
        number = number or len(digests)
        return SimpleNamespace(dataset=dataset, number=number, digest=digests[number - 1])

    def model_version(self, project: str, ref: str) -> SimpleNamespace:
        if ref not in self.models:
            raise NotFoundError(f"There is no model '{ref}'", hint="Train it.")
        return SimpleNamespace(ref=ref, digest=ref)


@dataclass
class Operations:
    """Takes note of what is announced; has events."""

    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    happened: list[tuple[int, SimpleNamespace]] = field(default_factory=list)

    def announce(self, project, subject, kind, message, details, *, idempotency_key):
        self.told[idempotency_key] = (kind, message)

    def newest_event(self, project: str) -> int:
        return len(self.happened)

    def events(self, project: str, after: int):
        return self.happened[after:]


class Yard:
    """All the parts of pipelines. `carry` is what the workflow does."""

    def __init__(self, database: Database) -> None:
        self.work, self.registry, self.operations = Work(), Registry(), Operations()
        self.clock, self.repository = FakeClock(), PipelineRepository()
        kinds = {
            "work": self.work,
            "condition": ConditionStep(),
            "approve": ApproveStep(lambda: self.operations),
        }
        shared = {"database": database, "repository": self.repository, "clock": self.clock}
        self.database = database
        self.service = PipelineService(
            creations=Creations(), kinds={name: kind.description for name, kind in kinds.items()}, **shared
        )
        self.runs = RunService(creations=Creations(), **shared)
        stepping = Stepping(kinds=kinds, pinning=Pinning(self.registry), **shared)
        self.execution = PipelineExecution(stepping=stepping, operations=lambda: self.operations, **shared)
        self.triggering = Triggering(
            runs=self.runs, registry=self.registry, operations=lambda: self.operations, **shared
        )

    def define(self, name: str = "p", **document: Any) -> None:
        self.service.create(PROJECT, name, definition(**document), created_by="me")

    def start(self, name: str = "p", /, **parameters: Any) -> str:
        pipeline = self.service.get(PROJECT, name)
        return self.runs.start(pipeline, parameters, created_by="me", cause="By hand.").id

    def carry(self, run_id: str) -> PipelineRun:
        """Until its workflow would end."""
        wakings = next((int(t.partition("/")[2]) for t in self.execution.tickets() if t.startswith(run_id)), None)
        while wakings is not None and self.execution.round(run_id, wakings):
            self.clock.sleep(60)
        return self.runs.get(PROJECT, run_id)

    def run(self, name: str = "p", /, **parameters: Any) -> PipelineRun:
        return self.carry(self.start(name, **parameters))


def definition(**document: Any) -> PipelineDefinition:
    return PipelineChange.model_validate(document).definition()


def state(run: PipelineRun, name: str) -> StepState:
    return next(each for each in run.steps if each.name == name)


def statuses(run: PipelineRun) -> dict[str, str]:
    return {each.name: each.status.value for each in run.steps}


@pytest.fixture
def yard(database: Database) -> Yard:
    return Yard(database)


@pytest.fixture
def helpers() -> SimpleNamespace:
    return SimpleNamespace(definition=definition, state=state, statuses=statuses)


@pytest.fixture
def work() -> Callable[..., dict[str, Any]]:
    """A step of the kind "work"."""
    return lambda number=0, **more: {"kind": "work", "inputs": {"number": number, **more.pop("inputs", {})}, **more}
