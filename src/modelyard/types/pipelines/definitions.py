"""What a pipeline is: parameters, steps with typed inputs, and what starts it by itself."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class ValueType(StrEnum):
    """What an input, an output or a parameter holds.

    DATASET and MODEL are references to versions ("houses:3", "houses" for the newest, "houses@champion"); DATASETS is
    datasets by role, FIGURES numbers by name. ANY is known only when the step has run.
    """

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    MAPPING = "mapping"
    DATASET = "dataset"
    DATASETS = "datasets"
    MODEL = "model"
    FIGURES = "figures"
    ANY = "any"


class RunIf(StrEnum):
    """What must have become of the steps before one: all completed, all ended in whatever way, or one failed."""

    COMPLETED = "completed"
    ALWAYS = "always"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value that each run may choose; with `default` None every run has to."""

    type: ValueType
    default: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDefinition:
    """One step.

    Attributes:
        kind: what it does ("training").
        inputs: by name; values, or references such as "${steps.train.outputs.model}" and "${parameters.depth}".
        when: condition steps that must hold.
        unless: condition steps that must not hold.
        after: steps that it waits for without taking anything from them.
        run_if: what must have become of all that it waits for.
        retries: so many further attempts after one that failed.
        cache: an earlier result with the same content may stand in.
    """

    kind: str
    inputs: dict[str, Any] = field(default_factory=dict)
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    run_if: RunIf = RunIf.COMPLETED
    retries: int = 0
    cache: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetTrigger:
    """Each new version of `dataset` starts a run; `parameter`, if one is named, is that version."""

    dataset: str
    parameter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """What starts runs by itself: a cron expression in UTC, new dataset versions, monitors that find drift."""

    schedule: str = ""
    datasets: tuple[DatasetTrigger, ...] = ()
    monitors: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.schedule or self.datasets or self.monitors)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineDefinition:
    """The document: all that says what a run does."""

    steps: dict[str, StepDefinition]
    parameters: dict[str, Parameter] = field(default_factory=dict)
    triggers: Triggers = field(default_factory=Triggers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A definition under a name. `version` grows with each change and is the ETag; `created_by` changed it last."""

    project: str
    name: str
    description: str
    definition: PipelineDefinition
    created_at: datetime
    updated_at: datetime
    created_by: str
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """An input of a step kind.

    Attributes:
        item: what one entry of a mapping is called ("hyperparameter").
        is_content: another value is another result; limits of memory, say, are not.
    """

    name: str
    type: ValueType
    description: str
    is_required: bool = False
    item: str = ""
    is_content: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """An output of a step kind."""

    name: str
    type: ValueType
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KindDescription:
    """What a kind of step takes and gives.

    Attributes:
        is_cacheable: it computes: the same inputs give the same outputs, and nothing else happens.
        needs_operator: it changes what is served, so whoever starts it must be an operator.
        revision: raised when the same inputs come to mean something else.
    """

    name: str
    description: str
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    is_cacheable: bool = False
    needs_operator: bool = False
    revision: int = 1
