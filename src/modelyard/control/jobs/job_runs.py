"""Every job becomes a run in MLflow: its parameters, its metrics with their steps, its data, and how it ended.

The job's own record is the spool. What MLflow has been told stands beside it, so that a server that is away, or was
never there, delays runs and harms no job: a later round tells the rest.
"""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.experiments.contracts import TrackingServer
from modelyard.control.experiments.errors import TrackingRefusedError, TrackingUnavailableError
from modelyard.control.experiments.tracking_client import TrackingClient
from modelyard.control.jobs.repository import JobRepository
from modelyard.errors import NotFoundError
from modelyard.storage.database import Database
from modelyard.types.experiments.tracking import JobRun, TrackingStatus
from modelyard.types.jobs import Job, JobStatus

_log = structlog.get_logger(__name__)

START_SECONDS = 180.0
_LOOK_SECONDS = 0.1
_JOBS_A_ROUND = 25
_POINTS_A_CALL = 1000
_UNFIT = re.compile(r"[^\w\-. /:]")
_LONGEST = 500
_DIGEST_LENGTH = 36  # of a dataset in MLflow; the whole one is a tag
_STATUS = {JobStatus.COMPLETED: "FINISHED", JobStatus.STOPPED: "KILLED"}
JOB_TAG, ATTEMPT_TAG = "modelyard.job", "modelyard.attempt"


class JobRuns:
    """One round at a time.

    Args:
        database: of jobs.
        repository: jobs, and what was told of them.
        registry: knows the digests of data.
        server: MLflow's; started when there is something to tell.
    """

    def __init__(
        self, database: Database, repository: JobRepository, registry: RegistryClient, server: TrackingServer
    ) -> None:
        self._database = database
        self._repository = repository
        self._registry = registry
        self._server = server

    def look(self) -> None:
        """Tell MLflow what it does not know yet.

        Raises:
            TrackingUnavailableError: it cannot be told now.
        """
        if self._server.state().status in (TrackingStatus.OFF, TrackingStatus.MISSING):
            return
        with self._database.read() as connection:
            due = self._repository.untold(connection, _JOBS_A_ROUND)
        if not due:
            return
        with self._server.demand():
            self._wait()
            with TrackingClient(self._server.socket) as client:
                for job, known in due:
                    self._tell(client, job, known)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (state := self._server.state()).status is not TrackingStatus.RUNNING:
            if state.status is TrackingStatus.FAILED or time.monotonic() > deadline:
                raise TrackingUnavailableError(
                    f"Jobs wait to be logged: {state.message}", hint="They are told to MLflow when it is there again."
                )
            time.sleep(_LOOK_SECONDS)

    def _tell(self, client: TrackingClient, job: Job, known: JobRun | None) -> None:
        try:
            self._advance(client, job, known)
        except TrackingRefusedError as error:  # it would be refused for ever
            _log.warning("a job cannot be logged to MLflow", job=job.id, error=error.message)
            self._save(replace(known or JobRun(job=job.id, attempt=job.attempt, run=""), is_done=True))

    def _advance(self, client: TrackingClient, job: Job, known: JobRun | None) -> None:
        if known is not None and known.attempt != job.attempt:
            client.end_run(job.project, known.run, "KILLED", _milliseconds(job.started_at or job.created_at))
            known = None
        run = known or self._begin(client, job)
        while points := self._points(run):
            metrics = [_metric(name=p.name, value=p.value, step=p.step, at=p.at) for _, p in points]
            client.log_batch(job.project, run.run, metrics=metrics)
            run = replace(run, sequence=points[-1][0])
            self._save(run)
        if job.status.is_final:
            self._finish(client, job, run)

    def _points(self, run: JobRun) -> list[tuple[int, Any]]:
        with self._database.read() as connection:
            return [*self._repository.points_after(connection, run.job, run.sequence, _POINTS_A_CALL)]

    def _begin(self, client: TrackingClient, job: Job) -> JobRun:
        experiment = client.experiment(job.project, job.model or str(job.kind))
        mark = {JOB_TAG: job.id, ATTEMPT_TAG: str(job.attempt)}
        run = client.find_run(job.project, experiment, mark)  # of a round that was killed before it took note
        if run is None:
            tags, inputs = self._inputs(job)
            start = _milliseconds(job.started_at or job.created_at)
            run = client.create_run(job.project, experiment, job.id, start, {**mark, **_tags(job), **tags})
            client.log_batch(job.project, run, params=_params(job))
            if inputs:
                client.log_datasets(job.project, run, inputs)
        begun = JobRun(job=job.id, attempt=job.attempt, run=run)
        self._save(begun)
        return begun

    def _inputs(self, job: Job) -> tuple[dict[str, str], list[dict[str, Any]]]:
        """The data that the job reads, as tags with whole digests and as MLflow's datasets."""
        tags, inputs = {}, []
        for role, ref in job.recipe.channels.items():
            name = f"{ref.dataset}:{ref.number}"
            try:
                digest = self._registry.dataset_version(job.project, ref.dataset, ref.number).digest
            except NotFoundError:  # it was deleted since
                digest = ""
            tags[f"modelyard.dataset.{role}"] = name
            tags[f"modelyard.dataset.{role}.digest"] = digest
            dataset = {
                "name": name,
                "digest": (digest or "deleted")[:_DIGEST_LENGTH],
                "source_type": "modelyard",
                "source": f'{{"dataset": "{name}", "project": "{job.project}"}}',
            }
            inputs.append({"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": role}]})
        return tags, inputs

    def _finish(self, client: TrackingClient, job: Job, run: JobRun) -> None:
        end = job.ended_at or job.started_at or job.created_at
        metrics = [_metric(name=name, value=value, step=0, at=end) for name, value in _figures(job).items()]
        tags = {f"modelyard.result.{name}": str(value) for name, value in job.result.items() if isinstance(value, str)}
        if job.end is not None:
            tags |= {"modelyard.end": str(job.end.cause), "modelyard.end.message": job.end.message}
        for first in range(0, len(metrics), _POINTS_A_CALL):
            client.log_batch(job.project, run.run, metrics=metrics[first : first + _POINTS_A_CALL])
        client.log_batch(job.project, run.run, tags={name: value[:5000] for name, value in [*tags.items()][:100]})
        client.end_run(job.project, run.run, _STATUS.get(job.status, "FAILED"), _milliseconds(end))
        self._save(replace(run, is_done=True))

    def _save(self, run: JobRun) -> None:
        with self._database.transaction() as connection:
            self._repository.save_run(connection, run)


def _figures(job: Job) -> dict[str, float]:
    """The numbers of its result that were not logged while it ran."""
    return {
        name: float(value)
        for name, value in job.result.items()
        if not isinstance(value, str) and name not in job.metrics
    }


def _params(job: Job) -> Mapping[str, str]:
    recipe = job.recipe
    params = {"algorithm": recipe.algorithm, "seed": recipe.seed, "target": recipe.target, **recipe.hyperparameters}
    named = [*params.items()][:100]  # as many as MLflow takes in a call
    return {_UNFIT.sub("_", name): str(value)[:_LONGEST] for name, value in named if value is not None}


def _tags(job: Job) -> Mapping[str, str]:
    tags = {
        "modelyard.kind": str(job.kind),
        "modelyard.model": job.model or "",
        "modelyard.candidates": ", ".join(job.recipe.candidates),
        "mlflow.user": job.created_by,
        "mlflow.source.name": job.recipe.algorithm,
        "mlflow.source.type": "JOB",
    }
    return {name: value for name, value in tags.items() if value}


def _metric(*, name: str, value: float, step: int, at: datetime) -> dict[str, Any]:
    number = value if math.isfinite(value) else str(value)  # JSON has no word for those; MLflow reads "nan" and "inf"
    return {"key": _UNFIT.sub("_", name)[:250], "value": number, "step": step, "timestamp": _milliseconds(at)}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
