"""What steps that are carried by one job have in common."""

from abc import ABC, abstractmethod
from contextlib import suppress

from modelyard.control.jobs.service import JobService
from modelyard.control.pipelines.kinds.base import Inputs, Progress, Stage, StepContext
from modelyard.errors import InvalidStateError, NotFoundError
from modelyard.types.jobs import Job, JobStatus
from modelyard.types.pipelines.definitions import KindDescription


class JobStep(ABC):
    """Submits a job and waits for it. Subclasses say what is submitted and what comes of it."""

    description: KindDescription

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    @abstractmethod
    def submit(self, context: StepContext, inputs: Inputs) -> Job:
        """The job of this attempt; made once, with `context.creation`."""

    @abstractmethod
    def outputs(self, job: Job, inputs: Inputs) -> dict[str, object]:
        """What a completed job gives to others."""

    def begin(self, context: StepContext, inputs: Inputs) -> Progress:
        """See StepKind."""
        return self._progress(self.submit(context, inputs), inputs)

    def look(self, context: StepContext, inputs: Inputs, handle: str) -> Progress:
        """See StepKind."""
        return self._progress(self._jobs.get(context.project, handle), inputs)

    def stop(self, context: StepContext, handle: str) -> bool:
        """See StepKind."""
        with suppress(InvalidStateError, NotFoundError):  # it has ended
            self._jobs.stop(context.project, handle)
        return True

    def _progress(self, job: Job, inputs: Inputs) -> Progress:
        match job.status:
            case JobStatus.COMPLETED:
                return Progress(stage=Stage.COMPLETED, handle=job.id, outputs=self.outputs(job, inputs))
            case JobStatus.FAILED:
                reason = job.end.message if job.end else "It failed."
                return Progress(stage=Stage.FAILED, handle=job.id, message=f"Job {job.id}: {reason}")
            case JobStatus.STOPPED:
                return Progress(stage=Stage.STOPPED, handle=job.id, message=f"Job {job.id} was stopped.")
            case _:
                return Progress(stage=Stage.RUNNING, handle=job.id, message=f"Job {job.id} is {job.status}.")


def figures_of(job: Job) -> dict[str, float]:
    """The numbers of a job's result, and of its metrics where the result has none of that name."""
    numbers = {name: float(value) for name, value in job.result.items() if isinstance(value, int | float)}
    return {**job.metrics, **numbers}
