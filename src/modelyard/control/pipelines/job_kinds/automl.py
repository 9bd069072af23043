"""Steps that look for a good model within a time."""

from modelyard.control.jobs.automl.schemas import AutoMLJobRequest
from modelyard.control.jobs.automl.service import AutoMLService
from modelyard.control.jobs.service import JobService
from modelyard.control.pipelines.job_kinds.inputs import DATA, RESOURCES, SCHEDULE, SEED, TARGET, channel
from modelyard.control.pipelines.job_kinds.jobs import JobStep, figures_of
from modelyard.control.pipelines.kinds.base import (
    FIGURES_OUTPUT,
    JOB_OUTPUT,
    MODEL_OUTPUT,
    Inputs,
    StepContext,
    body_of,
)
from modelyard.settings import Settings
from modelyard.types.jobs import Job
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType

_INPUTS = (
    DATA,
    TARGET,
    InputSpec(
        name="model",
        type=ValueType.TEXT,
        description="Model that gets the winner as its next version; made if absent.",
        is_required=True,
    ),
    InputSpec(
        name="budget_seconds", type=ValueType.NUMBER, description="From the start of its process to its end; 600."
    ),
    InputSpec(name="task", type=ValueType.TEXT, description="What is to be learnt; auto if left out."),
    InputSpec(name="text", type=ValueType.TEXT, description="Column of texts, for text classification."),
    InputSpec(name="horizon", type=ValueType.INTEGER, description="Steps of time to forecast, for forecasting."),
    InputSpec(name="time_column", type=ValueType.TEXT, description="Column with the times, for forecasting."),
    InputSpec(name="series_column", type=ValueType.TEXT, description="Column that names each row's series."),
    InputSpec(name="objective", type=ValueType.TEXT, description="Figure that decides; the usual one of the task."),
    InputSpec(name="source", type=ValueType.TEXT, description="Who proposes: auto, built-in or flaml."),
    InputSpec(name="max_candidates", type=ValueType.INTEGER, description="It ends when so many have been tried."),
    InputSpec(name="holdout_share", type=ValueType.NUMBER, description="Of the rows: the winner is measured on them."),
    SEED,
    RESOURCES,
    SCHEDULE,
)


class AutoMLStep(JobStep):
    """An AutoML job."""

    description = KindDescription(
        name="automl",
        description="Finds a good model within a time, and registers it.",
        inputs=_INPUTS,
        outputs=(
            MODEL_OUTPUT,
            OutputSpec(name="algorithm", type=ValueType.TEXT, description="Of the winner."),
            FIGURES_OUTPUT,
            JOB_OUTPUT,
        ),
        is_cacheable=True,
    )

    def __init__(self, jobs: JobService, searches: AutoMLService, settings: Settings) -> None:
        super().__init__(jobs)
        self._searches = searches
        self._settings = settings

    def submit(self, context: StepContext, inputs: Inputs) -> Job:
        """See JobStep."""
        body = body_of(AutoMLJobRequest, {**inputs, "data": channel(inputs["data"])})
        return self._searches.create(
            context.project,
            body.recipe(),
            body.model,
            body.limits(self._settings.job_memory_bytes, self._settings.job_time_limit_seconds),
            created_by=context.created_by,
            creation=context.creation,
            placement=body.placement(),
        )

    def outputs(self, job: Job, inputs: Inputs) -> dict[str, object]:  # noqa: ARG002
        """See JobStep."""
        return {
            "model": job.result.get("model_version", ""),
            "algorithm": job.result.get("winner", ""),
            "figures": figures_of(job),
            "job": job.id,
        }
