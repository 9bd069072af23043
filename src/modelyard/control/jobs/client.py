"""The Jobs API for a caller in the same process (clients.contracts.JobsClient)."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import msgspec

from modelyard.control.jobs.debugging.service import FindingService
from modelyard.control.jobs.service import JobService
from modelyard.control.metering.service import CostService
from modelyard.errors import InvalidStateError
from modelyard.settings import Settings
from modelyard.storage.creations import Creation
from modelyard.types.compute.costs import Budget
from modelyard.types.debugging.rules import Finding
from modelyard.types.jobs import Job, JobKind, JobRecipe
from modelyard.types.processes import Resources
from modelyard.types.tuning.jobs import TuningJob
from modelyard.types.tuning.searches import Search, TuningRules

CALLER = "operations"


class Tunings(Protocol):
    """What is asked of tuning jobs. Implementation: tuning.service.TuningService."""

    def create(self, project: str, search: Search, *, created_by: str, creation: Creation | None = None) -> TuningJob:
        """Accept a search."""

    def get(self, project: str, tuning_id: str) -> TuningJob:
        """A tuning job. Raises NotFoundError."""


class InProcessJobsClient:
    """Calls the services directly; the same answers and errors as the HTTP client."""

    def __init__(
        self,
        service: JobService,
        costs: CostService,
        tunings: Tunings,
        findings: FindingService,
        settings: Settings,
    ) -> None:
        self._service = service
        self._costs = costs
        self._tunings = tunings
        self._findings = findings
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

    def create_tuning_job(
        self, project: str, recipe: JobRecipe, model: str, rules: TuningRules, *, idempotency_key: str
    ) -> TuningJob:
        """Look for hyper-parameters of a recipe; the best make a version of `model`."""
        search = Search(
            recipe=recipe,
            model=model,
            space=rules.space,
            objectives=(),
            strategy=rules.strategy,
            max_trials=rules.max_trials,
            parallel_trials=rules.parallel_trials,
            time_limit_seconds=rules.time_limit_seconds,
            resources=self._resources,
        )
        creation = _creation(idempotency_key, (project, search))
        return self._tunings.create(project, search, created_by=CALLER, creation=creation)

    def tuning_job(self, project: str, tuning_id: str) -> TuningJob:
        """A tuning job. Raises TuningNotFoundError."""
        return self._tunings.get(project, tuning_id)

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

    def untold_findings(self) -> Sequence[Finding]:
        """What rules have found and nobody was told yet."""
        return self._findings.untold(None)

    def note_findings_told(self, ids: Sequence[int]) -> None:
        """People have been told of these."""
        self._findings.note_told(ids)

    def _compare(self, project: str, kind: JobKind, recipe: JobRecipe, idempotency_key: str) -> Job:
        creation = _creation(idempotency_key, (project, recipe))
        return self._service.create_comparison(
            project, kind, recipe, self._resources, created_by=CALLER, creation=creation
        )


def _creation(key: str, request: object) -> Creation:
    digest = hashlib.sha256(f"{CALLER}\0{key}".encode()).hexdigest()
    return Creation(digest, hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest())
