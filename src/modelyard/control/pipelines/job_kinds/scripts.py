"""Steps that run code of people's own."""

from modelyard.control.jobs.scripts.schemas import ScriptJobRequest
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.jobs.service import JobService
from modelyard.control.pipelines.job_kinds.inputs import HYPERPARAMETERS, PROGRAM, RESOURCES, SCHEDULE, SEED, channels
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
    *PROGRAM,
    HYPERPARAMETERS,
    InputSpec(name="data", type=ValueType.DATASETS, description="Datasets by channel.", item="channel"),
    InputSpec(name="model", type=ValueType.TEXT, description="Model that gets what the script saves."),
    InputSpec(name="dataset", type=ValueType.TEXT, description="Dataset that gets the script's one output file."),
    InputSpec(name="hosts", type=ValueType.INTEGER, description="So many processes that reach each other."),
    SEED,
    RESOURCES,
    SCHEDULE,
)


class ScriptStep(JobStep):
    """A script job."""

    description = KindDescription(
        name="script",
        description="Runs a script or an image; it may make a model version, a dataset version, or both.",
        inputs=_INPUTS,
        outputs=(
            MODEL_OUTPUT,
            OutputSpec(name="dataset", type=ValueType.DATASET, description="The dataset version that it made."),
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
        body = body_of(ScriptJobRequest, {**given, "channels": channels(inputs.get("data") or {})})
        return self._scripts.create(
            context.project,
            body.recipe(),
            body.script(),
            body.model,
            body.limits(self._settings.job_memory_bytes, self._settings.job_time_limit_seconds),
            created_by=context.created_by,
            creation=context.creation,
            placement=body.placement(),
        )

    def outputs(self, job: Job, inputs: Inputs) -> dict[str, object]:  # noqa: ARG002
        """See JobStep."""
        made = {"model": job.result.get("model_version"), "dataset": job.result.get("dataset")}
        return {
            **{name: ref for name, ref in made.items() if ref is not None},
            "figures": figures_of(job),
            "job": job.id,
        }
