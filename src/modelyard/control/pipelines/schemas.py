"""Request bodies of pipelines: the document that YAML files and the Python builder make."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from modelyard.types.pipelines.definitions import (
    DatasetTrigger,
    Parameter,
    PipelineDefinition,
    RunIf,
    StepDefinition,
    Triggers,
    ValueType,
)

_MOST_STEPS = 100
Names = Annotated[list[str], Field(max_length=_MOST_STEPS)]


class ParameterRequest(BaseModel):
    """A value that each run may choose."""

    model_config = ConfigDict(extra="forbid")

    type: ValueType = Field(default=ValueType.TEXT, description="What it holds.", examples=["integer"])
    default: Any = Field(default=None, description="Without one every run must give a value.", examples=[4])
    description: str = Field(default="", max_length=1000, description="For people.")

    def parameter(self) -> Parameter:
        """As plain data."""
        return Parameter(type=self.type, default=self.default, description=self.description)


class StepRequest(BaseModel):
    """One step."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(max_length=63, description="GET /pipeline-step-kinds lists them.", examples=["training"])
    inputs: dict[str, Any] = Field(
        default_factory=dict,
        max_length=100,
        description="Values, or references to parameters and to outputs of other steps.",
        examples=[{"data": "${steps.rows.outputs.dataset}", "target": "price"}],
    )
    when: Names = Field(default=[], description="Condition steps that must hold, or it is skipped.")
    unless: Names = Field(default=[], description="Condition steps that must not hold.")
    after: Names = Field(default=[], description="Steps that it waits for without taking anything from them.")
    run_if: RunIf = Field(
        default=RunIf.COMPLETED,
        description="What must have become of all that it waits for: completed, always (whatever it was), or failed "
        "(at least one).",
    )
    retries: int = Field(default=0, ge=0, le=20, description="So many further attempts after one that failed.")
    cache: bool = Field(default=True, description="An earlier result with the same content may stand in.")

    def step(self) -> StepDefinition:
        """As plain data."""
        return StepDefinition(
            kind=self.kind,
            inputs=self.inputs,
            when=tuple(self.when),
            unless=tuple(self.unless),
            after=tuple(self.after),
            run_if=self.run_if,
            retries=self.retries,
            cache=self.cache,
        )


class DatasetTriggerRequest(BaseModel):
    """Each new version of a dataset starts a run."""

    model_config = ConfigDict(extra="forbid")

    dataset: str = Field(max_length=63, description="Name of the dataset.", examples=["houses"])
    parameter: str = Field(default="", max_length=63, description="Parameter that gets the version.")


class TriggersRequest(BaseModel):
    """What starts runs by itself."""

    model_config = ConfigDict(extra="forbid")

    schedule: str = Field(default="", max_length=100, description="Cron expression, in UTC.", examples=["0 3 * * 1"])
    datasets: list[DatasetTriggerRequest] = Field(default=[], max_length=20, description="New dataset versions.")
    monitors: Names = Field(default=[], description="Monitors; each drift that one finds starts a run.")

    def triggers(self) -> Triggers:
        """As plain data."""
        datasets = tuple(DatasetTrigger(dataset=each.dataset, parameter=each.parameter) for each in self.datasets)
        return Triggers(schedule=self.schedule, datasets=datasets, monitors=tuple(self.monitors))


class PipelineChange(BaseModel):
    """What a pipeline is."""

    model_config = ConfigDict(extra="forbid")

    description: str = Field(default="", max_length=5000, description="For people.")
    parameters: dict[str, ParameterRequest] = Field(
        default_factory=dict, max_length=100, description="Values that each run may choose."
    )
    steps: dict[str, StepRequest] = Field(max_length=_MOST_STEPS, description="By name; references are their order.")
    triggers: TriggersRequest = Field(default_factory=TriggersRequest, description="When runs begin by themselves.")

    def definition(self) -> PipelineDefinition:
        """As plain data."""
        return PipelineDefinition(
            steps={name: step.step() for name, step in self.steps.items()},
            parameters={name: each.parameter() for name, each in self.parameters.items()},
            triggers=self.triggers.triggers(),
        )


class PipelineCreate(PipelineChange):
    """A new pipeline."""

    name: str = Field(max_length=63, description="Of the pipeline.", examples=["houses"])


class RunCreate(BaseModel):
    """A new run."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Defaults for those that are left out.", examples=[{"max_depth": 6}]
    )
    use_cache: bool = Field(default=True, description="Earlier results with the same content may stand in.")


class DecisionRequest(BaseModel):
    """What is said of a step that waits for it."""

    model_config = ConfigDict(extra="forbid")

    approve: bool = Field(description="False: the step fails.")
    comment: str = Field(default="", max_length=2000, description="Why; it is kept.")
