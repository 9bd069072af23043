"""Steps that answer all rows of a dataset by a model version."""

from modelyard.control.jobs.batch.schemas import BatchJobRequest
from modelyard.control.jobs.batch.service import BatchJobService
from modelyard.control.jobs.service import JobService
from modelyard.control.pipelines.job_kinds.inputs import RESOURCES, SCHEDULE
from modelyard.control.pipelines.job_kinds.jobs import JobStep, figures_of
from modelyard.control.pipelines.kinds.base import FIGURES_OUTPUT, JOB_OUTPUT, Inputs, StepContext, body_of
from modelyard.settings import Settings
from modelyard.types.jobs import Job
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType

_INPUTS = (
    InputSpec(name="model", type=ValueType.MODEL, description="Version that answers.", is_required=True),
    InputSpec(name="data", type=ValueType.DATASET, description="The rows.", is_required=True),
    InputSpec(
        name="output", type=ValueType.TEXT, description="Dataset that gets the answers as a version.", is_required=True
    ),
    InputSpec(name="keep", type=ValueType.LIST, description="Columns of the data that stand beside the answers."),
    InputSpec(name="prefix", type=ValueType.TEXT, description="Put in front of the answers' columns."),
    RESOURCES,
    SCHEDULE,
)


class BatchStep(JobStep):
    """A batch job."""

    description = KindDescription(
        name="batch",
        description="Answers every row of a dataset by a model version; the answers are a dataset version.",
        inputs=_INPUTS,
        outputs=(
            OutputSpec(name="dataset", type=ValueType.DATASET, description="The rows with their answers."),
            FIGURES_OUTPUT,
            JOB_OUTPUT,
        ),
        is_cacheable=True,
    )

    def __init__(self, jobs: JobService, batches: BatchJobService, settings: Settings) -> None:
        super().__init__(jobs)
        self._batches = batches
        self._settings = settings

    def submit(self, context: StepContext, inputs: Inputs) -> Job:
        """See JobStep."""
        given = {name: value for name, value in inputs.items() if name != "data"}
        body = body_of(BatchJobRequest, {**given, "source": {"dataset": inputs["data"]}})
        return self._batches.create(
            context.project,
            body.model,
            body.source.dataset,
            body.recipe(),
            body.limits(self._settings.job_memory_bytes, self._settings.job_time_limit_seconds),
            created_by=context.created_by,
            creation=context.creation,
            placement=body.placement(),
        )

    def outputs(self, job: Job, inputs: Inputs) -> dict[str, object]:  # noqa: ARG002
        """See JobStep."""
        return {"dataset": job.result.get("dataset", ""), "figures": figures_of(job), "job": job.id}
