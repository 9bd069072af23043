"""The Jobs application in another process, over its REST API."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from modelyard.control.clients.http import HttpApplication
from modelyard.errors import ConflictError
from modelyard.types.compute.costs import Budget
from modelyard.types.debugging.rules import Finding
from modelyard.types.jobs import Job, JobRecipe
from modelyard.types.tuning.jobs import TuningJob
from modelyard.types.tuning.searches import Range, TuningRules


class _Budgets(msgspec.Struct):
    items: list[Budget]


class _Findings(msgspec.Struct):
    items: list[Finding]


class HttpJobsClient:
    """JobsClient over HTTP.

    Args:
        url: where the application is, e.g. "http://10.0.0.1:8470".
        token: of a developer or more, of no project.
    """

    def __init__(self, url: str, token: str) -> None:
        self._jobs = HttpApplication(f"{url.rstrip('/')}/jobs/v1", token)

    def close(self) -> None:
        """Close the connections."""
        self._jobs.close()

    def create_training_job(self, project: str, recipe: JobRecipe, model: str, *, idempotency_key: str) -> Job:
        """See JobsClient."""
        return self._create(project, "training-jobs", _training(recipe, model), idempotency_key)

    def create_tuning_job(
        self, project: str, recipe: JobRecipe, model: str, rules: TuningRules, *, idempotency_key: str
    ) -> TuningJob:
        """See JobsClient."""
        body = {
            **_training(recipe, model),
            "space": {name: _span(each) for name, each in rules.space.items()},
            "strategy": rules.strategy,
            "max_trials": rules.max_trials,
            "parallel_trials": rules.parallel_trials,
            "time_limit_seconds": rules.time_limit_seconds,
        }
        headers = {"Idempotency-Key": idempotency_key}
        return self._jobs.call("POST", f"{_project(project)}/tuning-jobs", TuningJob, body=body, headers=headers)

    def tuning_job(self, project: str, tuning_id: str) -> TuningJob:
        """See JobsClient."""
        return self._jobs.call("GET", f"{_project(project)}/tuning-jobs/{quote(tuning_id, safe='')}", TuningJob)

    def create_evaluation_job(self, project: str, recipe: JobRecipe, *, idempotency_key: str) -> Job:
        """See JobsClient."""
        body = {
            "channels": recipe.channels,
            "target": recipe.target,
            "seed": recipe.seed,
            "candidates": recipe.candidates,
            **recipe.hyperparameters,
        }
        return self._create(project, "evaluation-jobs", body, idempotency_key)

    def create_replay_job(self, project: str, recipe: JobRecipe, *, idempotency_key: str) -> Job:
        """See JobsClient."""
        body = {"channels": recipe.channels, "candidates": recipe.candidates, "seed": recipe.seed}
        return self._create(project, "replay-jobs", body, idempotency_key)

    def job(self, project: str, job_id: str) -> Job:
        """See JobsClient."""
        return self._jobs.call("GET", _job(project, job_id), Job)

    def stop_job(self, project: str, job_id: str) -> None:
        """See JobsClient."""
        try:
            self._jobs.call("POST", f"{_job(project, job_id)}/stop", Job)
        except ConflictError:
            return  # it has ended

    def budgets(self) -> Sequence[Budget]:
        """See JobsClient."""
        return self._jobs.call("GET", "/budgets", _Budgets).items

    def untold_findings(self) -> Sequence[Finding]:
        """See JobsClient."""
        return self._jobs.call("GET", "/findings", _Findings).items

    def note_findings_told(self, ids: Sequence[int]) -> None:
        """See JobsClient."""
        self._jobs.call("POST", "/findings/told", _Findings, body={"ids": [*ids]})

    def _create(self, project: str, kind: str, body: Mapping[str, object], key: str) -> Job:
        return self._jobs.call("POST", f"{_project(project)}/{kind}", Job, body=body, headers={"Idempotency-Key": key})


def _job(project: str, job_id: str) -> str:
    return f"{_project(project)}/jobs/{quote(job_id, safe='')}"


def _project(project: str) -> str:
    return f"/projects/{quote(project, safe='')}"


def _training(recipe: JobRecipe, model: str) -> dict[str, object]:
    return {
        "algorithm": recipe.algorithm,
        "hyperparameters": recipe.hyperparameters,
        "channels": recipe.channels,
        "target": recipe.target,
        "seed": recipe.seed,
        "model": model,
    }


def _span(each: Range) -> dict[str, object]:
    if each.values:
        return {"values": each.values}
    return {"low": each.low, "high": each.high, "log": each.is_log, "step": each.step}
