"""The Jobs API for a caller in the same process (clients.contracts.JobsClient)."""

import hashlib
from collections.abc import Sequence

import msgspec

from modelyard.control.jobs.service import JobService
from modelyard.control.metering.service import CostService
from modelyard.errors import InvalidStateError
from modelyard.settings import Settings
from modelyard.storage.creations import Creation
from modelyard.types.compute.costs import Budget
from modelyard.types.jobs import Job, JobKind, JobRecipe
from modelyard.types.processes import Resources

CALLER = "operations"


class InProcessJobsClient:
    """Calls the service directly; the same answers and errors as the HTTP client."""

    def __init__(self, service: JobService, costs: CostService, settings: Settings) -> None:
        self._service = service
        self._costs = costs
        self._resources = Resources(
            cpus=1.0, memory_bytes=settings.job_memory_bytes, time_limit_seconds=settings.job_time_limit_seconds
        )

    def create_training_job(self, project: str, recipe: JobRecipe, model: str, *, idempotency_key: str) -> Job:
        """Submit a training job that registers a version of `model`."""
        creation = _creation(idempotency_key, (project, recipe, model))
        return self._service.create_training(
            project, recipe, model, self._resources, created_by=CALLER, creation=creation
        )

    def create_evaluation_job(self, project: str, recipe: JobRecipe, *, idempotency_key: str) -> Job:
        """Judge `recipe.candidates` on every channel."""
        return self._compare(project, JobKind.EVALUATION, recipe, idempotency_key)

    def create_replay_job(self, project: str, recipe: JobRecipe, *, idempotency_key: str) -> Job:
        """Send captured requests to both of `recipe.candidates`."""
        return self._compare(project, JobKind.REPLAY, recipe, idempotency_key)

    def job(self, project: str, job_id: str) -> Job:
        """A job. Raises JobNotFoundError."""
        return self._service.get(project, job_id)

    def stop_job(self, project: str, job_id: str) -> None:
        """Ask a job to stop; no effect if it has ended."""
        try:
            self._service.stop(project, job_id)
        except InvalidStateError:
            return

    def budgets(self) -> Sequence[Budget]:
        """Every project's budget."""
        return self._costs.budgets(None)

    def _compare(self, project: str, kind: JobKind, recipe: JobRecipe, idempotency_key: str) -> Job:
        creation = _creation(idempotency_key, (project, recipe))
        return self._service.create_comparison(
            project, kind, recipe, self._resources, created_by=CALLER, creation=creation
        )


def _creation(key: str, request: object) -> Creation:
    digest = hashlib.sha256(f"{CALLER}\0{key}".encode()).hexdigest()
    return Creation(digest, hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest())
