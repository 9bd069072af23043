"""Steps that make datasets of datasets by code of people's own."""

from modelyard.control.jobs.processing.schemas import ProcessingJobRequest
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.jobs.service import JobService
from modelyard.control.pipelines.job_kinds.inputs import HYPERPARAMETERS, PROGRAM, RESOURCES, SCHEDULE, SEED
from modelyard.control.pipelines.job_kinds.jobs import JobStep, figures_of
from modelyard.control.pipelines.kinds.base import FIGURES_OUTPUT, JOB_OUTPUT, Inputs, StepContext, body_of
from modelyard.settings import Settings
from modelyard.types.jobs import Job, JobKind
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType

_MADE = "dataset/"
_INPUTS = (
    *PROGRAM,
    InputSpec(name="data", type=ValueType.DATASETS, description="Datasets by the name of an input.", item="input"),
    InputSpec(
        name="outputs",
        type=ValueType.MAPPING,
        description="Output -> dataset that gets the one file in its folder as its next version.",
        is_required=True,
        item="output",
    ),
    HYPERPARAMETERS,
    SEED,
    RESOURCES,
    SCHEDULE,
)


class ProcessingStep(JobStep):
    """A processing job."""

    description = KindDescription(
        name="processing",
        description="Makes dataset versions of datasets by a script or an image: all outputs, or none.",
        inputs=_INPUTS,
        outputs=(
            OutputSpec(name="datasets", type=ValueType.DATASETS, description="The version that each output became."),
            FIGURES_OUTPUT,
            JOB_OUTPUT,
        ),
        is_cacheable=True,
    )

    def __init__(self, jobs: JobService, scripts: ScriptJobService, settings: Settings) -> None:
        super().__init__(jobs)
        self._scripts = scripts
        self._settings = settings

    def submit(self, context: StepContext, inputs: Inputs) -> Job:
        """See JobStep."""
        given = {name: value for name, value in inputs.items() if name != "data"}
        sources = {name: {"dataset": ref} for name, ref in (inputs.get("data") or {}).items()}
        body = body_of(ProcessingJobRequest, {**given, "inputs": sources})
        return self._scripts.create(
            context.project,
            body.recipe(),
            body.script(),
            None,
            body.limits(self._settings.job_memory_bytes, self._settings.job_time_limit_seconds),
            kind=JobKind.PROCESSING,
            created_by=context.created_by,
            creation=context.creation,
            placement=body.placement(),
        )

    def outputs(self, job: Job, inputs: Inputs) -> dict[str, object]:  # noqa: ARG002
        """See JobStep."""
        made = {name.removeprefix(_MADE): ref for name, ref in job.result.items() if name.startswith(_MADE)}
        return {"datasets": made, "figures": figures_of(job), "job": job.id}
