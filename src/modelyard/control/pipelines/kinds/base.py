"""The contract of a kind of step. A new kind is one file here and one line in `catalog`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from modelyard.control.pipelines.errors import PipelineInvalidError
from modelyard.storage.creations import Creation
from modelyard.types.pipelines.definitions import KindDescription, OutputSpec, ValueType
from modelyard.types.pipelines.runs import Decision

Inputs = Mapping[str, Any]
Body = TypeVar("Body", bound=BaseModel)

JOB_OUTPUT = OutputSpec(name="job", type=ValueType.TEXT, description="Id of the job.")
MODEL_OUTPUT = OutputSpec(name="model", type=ValueType.MODEL, description="The model version.")
FIGURES_OUTPUT = OutputSpec(name="figures", type=ValueType.FIGURES, description="What it measured, by name.")


class Stage(StrEnum):
    """Where the work of a step stands: it goes on, waits for a person, or has ended."""

    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a look at a step found.

    Attributes:
        handle: what carries it; kept in the step's state from then on.
        is_permanent: another attempt would fail as well.
    """

    stage: Stage
    handle: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    is_permanent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Which attempt of which step it is, and for whom."""

    project: str
    pipeline: str
    run: str
    step: str
    attempt: int
    created_by: str
    decision: Decision | None = None

    @property
    def key(self) -> str:
        """The same for every repetition of this attempt, and for nothing else."""
        return f"{self.run}/{self.step}/{self.attempt}"

    @property
    def creation(self) -> Creation:
        """Lets a repeated submission find what the first one made."""
        digest = hashlib.sha256(f"pipelines\0{self.key}".encode()).hexdigest()
        return Creation(key=digest, request_digest=digest)


class StepKind(Protocol):
    """Does the work of steps of one kind. Safe from any thread; holds no state.

    Every method may be repeated at any time, after a kill at any line: `begin` finds what an earlier call of the same
    attempt has made. TemporaryError means that the same call is tried again later; any other ModelyardError ends the
    attempt.
    """

    @property
    def description(self) -> KindDescription:
        """What it takes and gives."""

    def begin(self, context: StepContext, inputs: Inputs) -> Progress:
        """Start an attempt. `inputs` are complete and of the described types."""

    def look(self, context: StepContext, inputs: Inputs, handle: str) -> Progress:
        """What has become of it."""

    def stop(self, context: StepContext, handle: str) -> bool:
        """Ask it to end; no effect if it has. False: nothing is to be waited for."""


class Immediate:
    """Base of kinds that are done when they have begun."""

    def look(self, _context: StepContext, _inputs: Inputs, _handle: str) -> Progress:
        """Is never reached but by a record from elsewhere."""
        return Progress(stage=Stage.FAILED, message="It has no work of its own to wait for.", is_permanent=True)

    def stop(self, _context: StepContext, _handle: str) -> bool:
        """Nothing runs."""
        return False


def body_of(model: type[Body], values: Mapping[str, Any]) -> Body:
    """A request body as the API would take it; what is None counts as left out.

    Raises:
        PipelineInvalidError: a value that the API refuses.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return model.model_validate(msgspec.to_builtins(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PipelineInvalidError(
            f"The step's input '{place}' cannot be taken: {first['msg']}",
            hint="The REST reference says what the request takes.",
            field=place,
        ) from None
