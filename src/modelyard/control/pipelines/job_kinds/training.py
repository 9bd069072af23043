"""Steps that train a built-in algorithm."""

from modelyard.control.jobs.schemas import TrainingJobRequest
from modelyard.control.jobs.service import JobService
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
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, ValueType

_MODEL = InputSpec(
    name="model", type=ValueType.TEXT, description="Model that gets the new version; made if absent.", is_required=True
)


class TrainingStep(JobStep):
    """A training job."""

    description = KindDescription(
        name="training",
        description="Trains a built-in algorithm and registers what it makes as a version of a model.",
        inputs=(ALGORITHM, DATA, _MODEL, TARGET, HYPERPARAMETERS, SEED, RESOURCES, SCHEDULE),
        outputs=(MODEL_OUTPUT, FIGURES_OUTPUT, JOB_OUTPUT),
        is_cacheable=True,
    )

    def __init__(self, jobs: JobService, settings: Settings) -> None:
        super().__init__(jobs)
        self._settings = settings

    def submit(self, context: StepContext, inputs: Inputs) -> Job:
        """See JobStep."""
        given = {name: value for name, value in inputs.items() if name != "data"}
        body = body_of(TrainingJobRequest, {**given, "channels": {"train": channel(inputs["data"])}})
        return self._jobs.create_training(
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
        return {"model": job.result.get("model_version", ""), "figures": figures_of(job), "job": job.id}
