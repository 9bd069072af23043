"""Steps that measure a model version on held-out rows, beside another one if wished."""

from modelyard.control.jobs.schemas import EvaluationJobRequest
from modelyard.control.jobs.service import JobService
from modelyard.control.pipelines.job_kinds.inputs import RESOURCES, SCHEDULE, SEED, TARGET, channel
from modelyard.control.pipelines.job_kinds.jobs import JobStep
from modelyard.control.pipelines.kinds.base import FIGURES_OUTPUT, JOB_OUTPUT, Inputs, StepContext, body_of
from modelyard.settings import Settings
from modelyard.types.jobs import Job, JobKind
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType

_CHANNEL = "data"
_MODEL = InputSpec(name="model", type=ValueType.MODEL, description="Version to judge.", is_required=True)
_BASELINE = InputSpec(name="baseline", type=ValueType.MODEL, description="Version to compare it with.")
_DATA = InputSpec(
    name="data", type=ValueType.DATASET, description="Dataset on whose held-out rows it is measured.", is_required=True
)


class EvaluationStep(JobStep):
    """An evaluation job of one or two versions."""

    description = KindDescription(
        name="evaluation",
        description="Measures a model version on rows that it has not learnt from.",
        inputs=(_MODEL, _BASELINE, _DATA, TARGET, SEED, RESOURCES, SCHEDULE),
        outputs=(
            FIGURES_OUTPUT,
            OutputSpec(name="baseline_figures", type=ValueType.FIGURES, description="The same of the baseline."),
            JOB_OUTPUT,
        ),
        is_cacheable=True,
    )

    def __init__(self, jobs: JobService, settings: Settings) -> None:
        super().__init__(jobs)
        self._settings = settings

    def submit(self, context: StepContext, inputs: Inputs) -> Job:
        """See JobStep."""
        given = {name: inputs.get(name) for name in ("target", "seed", "resources", "schedule")}
        candidates = list(dict.fromkeys(ref for ref in (inputs["model"], inputs.get("baseline")) if ref))
        channels = {_CHANNEL: channel(inputs["data"])}
        body = body_of(EvaluationJobRequest, {**given, "candidates": candidates, "channels": channels})
        return self._jobs.create_comparison(
            context.project,
            JobKind.EVALUATION,
            body.recipe(),
            body.limits(self._settings.job_memory_bytes, self._settings.job_time_limit_seconds),
            created_by=context.created_by,
            creation=context.creation,
            placement=body.placement(),
        )

    def outputs(self, job: Job, inputs: Inputs) -> dict[str, object]:
        """See JobStep."""
        baseline = inputs.get("baseline")
        return {
            "figures": _figures(job, inputs["model"]),
            "baseline_figures": _figures(job, baseline) if baseline else {},
            "job": job.id,
        }


def _figures(job: Job, ref: str) -> dict[str, float]:
    """The result has "<channel>/<ref>/<metric>", and its bounds one level further down."""
    begin = f"{_CHANNEL}/{ref}/"
    return {
        name.removeprefix(begin): float(value)
        for name, value in job.result.items()
        if name.startswith(begin) and "/" not in name.removeprefix(begin) and isinstance(value, int | float)
    }
