"""Runs of pipelines and their steps, as the API shows them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from modelyard.types.pipelines.definitions import PipelineDefinition


class StepStatus(StrEnum):
    """PENDING (others come first), RUNNING, WAITING (for a person), then one of five.

    CACHED: an earlier result with the same content stands in. SKIPPED: it was not its turn; the message says why.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    COMPLETED = "COMPLETED"
    CACHED = "CACHED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        """Nothing changes it any more."""
        return self not in (StepStatus.PENDING, StepStatus.RUNNING, StepStatus.WAITING)

    @property
    def has_outputs(self) -> bool:
        """Others may build on it."""
        return self in (StepStatus.COMPLETED, StepStatus.CACHED)


class RunStatus(StrEnum):
    """RUNNING, WAITING (nothing goes on until a person decides), STOPPING, then one of three."""

    RUNNING = "RUNNING"
    WAITING = "WAITING"
    STOPPING = "STOPPING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        """True for COMPLETED, FAILED and STOPPED."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """A part of what a step's result follows from: as people read it, and by its content."""

    shown: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person said of a step that waited for it."""

    is_approved: bool
    by: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """A step of a run and where it stands.

    Attributes:
        attempt: from 1; 0 while it has not begun.
        handle: what carries it: the id of a job, the name of an endpoint.
        inputs: as they were resolved, references to versions with their numbers.
        message: why it is as it is.
        cache: why no earlier result stands in, or which one does.
        content_key: digest of all that its result follows from.
        ingredients: the same by parts.
        reused_from: the run whose result stands in.
        next_try_at: when an attempt after a failure may begin.
    """

    name: str
    kind: str
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    handle: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    cache: str = ""
    content_key: str = ""
    ingredients: dict[str, Ingredient] = field(default_factory=dict)
    reused_from: str = ""
    decision: Decision | None = None
    next_try_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """A run: the definition as it was when it began, its parameters, and its steps.

    Attributes:
        cause: why it began, a sentence.
        is_triggered: it began by itself.
        uses_cache: earlier results may stand in.
        message: why it ended as it did.
        steps: in an order in which they may run; left out of lists.
    """

    project: str
    id: str
    pipeline: str
    pipeline_version: int
    definition: PipelineDefinition
    parameters: dict[str, Any]
    status: RunStatus
    cause: str
    created_at: datetime
    created_by: str
    is_triggered: bool = False
    uses_cache: bool = True
    message: str = ""
    ended_at: datetime | None = None
    steps: tuple[StepState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """A step; without a run its status is null."""

    name: str
    kind: str
    status: StepStatus | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphEdge:
    """`target` waits for `source`; `via` says for what: an output, "when", "unless" or "after"."""

    source: str
    target: str
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineGraph:
    """Steps in an order in which they may run, and what waits for what."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
