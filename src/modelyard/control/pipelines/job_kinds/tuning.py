"""Steps that look for hyper-parameters."""

from contextlib import suppress

from modelyard.control.pipelines.job_kinds.inputs import (
    ALGORITHM,
    DATA,
    HYPERPARAMETERS,
    RESOURCES,
    SCHEDULE,
    SEED,
    TARGET,
    channel,
)
from modelyard.control.pipelines.kinds.base import (
    FIGURES_OUTPUT,
    MODEL_OUTPUT,
    Inputs,
    Progress,
    Stage,
    StepContext,
    body_of,
)
from modelyard.control.tuning.schemas import TuningJobRequest
from modelyard.control.tuning.service import TuningService
from modelyard.errors import InvalidStateError, NotFoundError
from modelyard.settings import Settings
from modelyard.types.jobs import JobStatus
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType
from modelyard.types.tuning.jobs import TuningJob

_INPUTS = (
    ALGORITHM,
    DATA,
    InputSpec(name="model", type=ValueType.TEXT, description="Model that gets the best one as its next version."),
    TARGET,
    InputSpec(
        name="space",
        type=ValueType.MAPPING,
        description="Hyper-parameter -> {low, high, log, step} or {values}.",
        is_required=True,
        item="the span of",
    ),
    HYPERPARAMETERS,
    InputSpec(name="objectives", type=ValueType.LIST, description="What to look for: a list of {metric, direction}."),
    InputSpec(name="constraints", type=ValueType.LIST, description="What must hold: {metric, at_least, at_most}."),
    InputSpec(name="strategy", type=ValueType.TEXT, description="grid, random, tpe, gp, cma-es or pbt."),
    InputSpec(name="max_trials", type=ValueType.INTEGER, description="So many are tried."),
    InputSpec(
        name="parallel_trials", type=ValueType.INTEGER, description="So many at the same time.", is_content=False
    ),
    InputSpec(name="time_limit_seconds", type=ValueType.NUMBER, description="After this no trial begins."),
    InputSpec(name="population", type=ValueType.INTEGER, description="Trials of each generation, for pbt."),
    InputSpec(name="early_stopping", type=ValueType.MAPPING, description="Ends trials that are behind: {rule: asha}."),
    SEED,
    RESOURCES,
    SCHEDULE,
)


class TuningStep:
    """A tuning job."""

    description = KindDescription(
        name="tuning",
        description="Looks for the best hyper-parameters of a built-in algorithm, and trains with them.",
        inputs=_INPUTS,
        outputs=(
            MODEL_OUTPUT,
            OutputSpec(name="hyperparameters", type=ValueType.MAPPING, description="Of the best trial."),
            FIGURES_OUTPUT,
            OutputSpec(name="tuning_job", type=ValueType.TEXT, description="Id of the tuning job."),
        ),
        is_cacheable=True,
    )

    def __init__(self, tunings: TuningService, settings: Settings) -> None:
        self._tunings = tunings
        self._settings = settings

    def begin(self, context: StepContext, inputs: Inputs) -> Progress:
        """See StepKind."""
        given = {name: value for name, value in inputs.items() if name != "data"}
        body = body_of(TuningJobRequest, {**given, "channels": {"train": channel(inputs["data"])}})
        limits = body.limits(self._settings.job_memory_bytes, self._settings.job_time_limit_seconds)
        return _progress(
            self._tunings.create(
                context.project, body.search(limits), created_by=context.created_by, creation=context.creation
            )
        )

    def look(self, context: StepContext, _inputs: Inputs, handle: str) -> Progress:
        """See StepKind."""
        return _progress(self._tunings.get(context.project, handle))

    def stop(self, context: StepContext, handle: str) -> bool:
        """See StepKind."""
        with suppress(InvalidStateError, NotFoundError):  # it has ended
            self._tunings.stop(context.project, handle)
        return True


def _progress(tuning: TuningJob) -> Progress:
    match tuning.status:
        case JobStatus.COMPLETED:
            return Progress(stage=Stage.COMPLETED, handle=tuning.id, outputs=_outputs(tuning), message=tuning.message)
        case JobStatus.FAILED:
            return Progress(stage=Stage.FAILED, handle=tuning.id, message=tuning.message)
        case JobStatus.STOPPED:
            return Progress(stage=Stage.STOPPED, handle=tuning.id, message=tuning.message)
        case _:
            message = f"{sum(tuning.counts.values())} trials have begun."
            return Progress(stage=Stage.RUNNING, handle=tuning.id, message=message)


def _outputs(tuning: TuningJob) -> dict[str, object]:
    best = tuning.best
    return {
        "model": tuning.result.get("model_version", ""),
        "hyperparameters": dict(best.hyperparameters) if best else {},
        "figures": dict(best.values) if best else {},
        "tuning_job": tuning.id,
    }
