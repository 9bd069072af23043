"""Jobs become runs: all of it once, later if MLflow is away, and never at a job's cost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.responses import JSONResponse

from modelyard.control.experiments.errors import TrackingUnavailableError
from modelyard.control.jobs.job_runs import JobRuns
from modelyard.control.jobs.repository import JobRepository
from modelyard.storage.database import Database
from modelyard.types.experiments.tracking import TrackingStatus
from modelyard.types.jobs import DatasetRef, Job, JobEnd, JobKind, JobRecipe, JobStatus, MetricPoint
from modelyard.types.processes import EndCause, Resources

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Registry:
    def dataset_version(self, project: str, dataset: str, number: int | None = None) -> SimpleNamespace:
        return SimpleNamespace(digest="ab" * 32)


@pytest.fixture
def database(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path}/jobs.db")
    database.upgrade("common", "jobs")
    yield database
    database.close()


@pytest.fixture
def job(database: Database) -> Job:
    recipe = JobRecipe(
        algorithm="linear-regression",
        hyperparameters={"strength": 0.5},
        channels={"train": DatasetRef(dataset="houses", number=2)},
        target="price",
    )
    job = Job(
        project="red",
        id="job-1",
        kind=JobKind.TRAINING,
        status=JobStatus.RUNNING,
        recipe=recipe,
        resources=Resources(),
        model="houses",
        attempt=1,
        sandbox=None,
        created_at=AT,
        started_at=AT,
        created_by="ann",
    )
    with database.transaction() as connection:
        JobRepository().insert(connection, job)
    return job


def add_points(database: Database, *values: float) -> None:
    with database.transaction() as connection:
        points = [MetricPoint(name="loss", value=value, step=step, at=AT) for step, value in enumerate(values)]
        JobRepository().add_points(connection, "job-1", points)


def save(database: Database, job: Job) -> None:
    with database.transaction() as connection:
        JobRepository().save(connection, job)


def ended(job: Job, status: JobStatus = JobStatus.COMPLETED) -> Job:
    end = JobEnd(cause=EndCause.EXIT, message="It is done.", exit_code=0)
    result = {"version": "houses:1", "r2": 0.9}
    return replace(job, status=status, end=end, result=result, ended_at=AT + timedelta(seconds=5))


def mlflow(path: str, body):
    """As much of an answer as the client reads."""
    known = {"experiments/create": {"experiment_id": "7"}, "runs/create": {"run": {"info": {"run_id": "r1"}}}}
    return next((answer for end, answer in known.items() if path.endswith(end)), {})


@pytest.fixture
def runs(database: Database, standing) -> JobRuns:
    standing.answer = mlflow
    return JobRuns(database, JobRepository(), Registry(), standing)


def asked(standing, end: str) -> list:
    return [each["body"] for each in standing.requests if each["path"].endswith(end)]


def test_a_job_is_told_as_it_goes_and_once(database, standing, runs, job):
    add_points(database, 3.0, 2.0)
    runs.look()
    runs.look()
    (created,) = asked(standing, "runs/create")
    tags = {tag["key"]: tag["value"] for tag in created["tags"]}
    assert (created["experiment_id"], created["run_name"]) == ("7", "job-1")
    assert tags["modelyard.dataset.train"] == "houses:2"
    assert tags["modelyard.dataset.train.digest"] == "ab" * 32
    assert tags["mlflow.user"] == "ann"
    params, metrics = asked(standing, "runs/log-batch")
    assert {"key": "strength", "value": "0.5"} in params["params"]
    assert [(each["step"], each["value"]) for each in metrics["metrics"]] == [(0, 3.0), (1, 2.0)]
    assert {each["headers"]["x-mlflow-workspace"] for each in standing.requests} == {"red"}

    standing.requests.clear()
    add_points(database, 1.0, float("nan"))
    save(database, ended(job))
    runs.look()
    runs.look()
    metrics = [metric for body in asked(standing, "runs/log-batch") for metric in body["metrics"]]
    assert [(each["key"], each["value"]) for each in metrics] == [("loss", 1.0), ("loss", "nan"), ("r2", 0.9)]
    (update,) = asked(standing, "runs/update")
    assert (update["run_id"], update["status"]) == ("r1", "FINISHED")


@pytest.mark.parametrize(("status", "expected"), [(JobStatus.FAILED, "FAILED"), (JobStatus.STOPPED, "KILLED")], ids=str)
def test_the_end_of_a_run_is_the_job_s(database, standing, runs, job, status, expected):
    save(database, ended(job, status))
    runs.look()
    assert [update["status"] for update in asked(standing, "runs/update")] == [expected]


def test_a_server_that_is_away_is_told_later(database, standing, runs, job):
    add_points(database, 3.0)
    save(database, ended(job))
    standing.status = TrackingStatus.FAILED
    with pytest.raises(TrackingUnavailableError):
        runs.look()
    standing.status = TrackingStatus.RUNNING
    standing.answer = lambda path, body: (
        JSONResponse({"message": "no disk"}, 500) if "log-batch" in path else mlflow(path, body)
    )
    with pytest.raises(TrackingUnavailableError):
        runs.look()
    standing.requests.clear()
    found = {"runs": [{"info": {"run_id": "r1"}}]}
    standing.answer = lambda path, body: found if path.endswith("runs/search") else mlflow(path, body)
    runs.look()
    assert not asked(standing, "runs/create"), "the run that was made before is gone on with"
    assert [update["status"] for update in asked(standing, "runs/update")] == ["FINISHED"]


def test_what_mlflow_refuses_is_not_offered_again(database, standing, runs, job):
    standing.answer = lambda _path, _body: JSONResponse({"error_code": "INVALID_STATE", "message": "deleted"}, 400)
    runs.look()
    assert standing.requests
    standing.requests.clear()
    runs.look()
    assert not standing.requests


def test_another_attempt_is_another_run(database, standing, runs, job):
    add_points(database, 3.0)
    runs.look()
    again = replace(job, attempt=2)
    save(database, again)
    add_points(database, 2.0)
    standing.requests.clear()
    runs.look()
    assert [update["status"] for update in asked(standing, "runs/update")] == ["KILLED"]
    assert len(asked(standing, "runs/create")) == 1


def test_nothing_is_asked_for_without_mlflow_or_without_jobs(database, standing, runs):
    runs.look()
    standing.status = TrackingStatus.MISSING
    runs.look()
    assert standing.demands == 0
