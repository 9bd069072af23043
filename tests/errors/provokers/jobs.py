"""Errors of the Jobs API and of the job runner."""

from types import SimpleNamespace

import httpx
from stage import Stage

import modelyard
from modelyard.algorithms.batch.batch import check_answered
from provokers.registration import provokes

TABLE = b"x,label\n" + b"".join(b"%d,%s\n" % (n, b"even" if n % 2 == 0 else b"odd") for n in range(60))


def train(stage: Stage, **changes: object) -> httpx.Response:
    """The answer to a training job on a small table."""
    if "channels" not in changes:
        made = stage.dataset(TABLE, "table.csv").raise_for_status().json()
        changes["channels"] = {"train": {"dataset": made["dataset"]}}
    body = {"algorithm": "linear-classification", "model": stage.name(), "target": "label", **changes}
    return stage.jobs_call("POST", "/training-jobs", json=body)


@provokes("algorithm_not_found")
def algorithm_not_found(stage: Stage) -> httpx.Response:
    return train(stage, algorithm="image-clasification", channels={"train": {"dataset": "digits"}})


@provokes("environment_not_found")
def environment_not_found(stage: Stage) -> httpx.Response:
    return stage.call("GET", "/jobs/v1/environments/gpu")


@provokes("environment_exists")
def environment_exists(stage: Stage) -> httpx.Response:
    return stage.call("POST", "/jobs/v1/environments", json={"name": "builtin", "requirements": "numpy"})


@provokes("environment_invalid")
def environment_invalid(stage: Stage) -> httpx.Response:
    return stage.call("POST", "/jobs/v1/environments", json={"name": "nothing-in-it"})


@provokes("environment_not_built")
def environment_not_built(stage: Stage) -> None:
    folder = stage.folder()
    (folder / "model.py").write_text("def predict(inputs):\n    return inputs\n")
    with modelyard.Client(stage.url, stage.token) as client:
        client.models.register(stage.name(), folder, environment="tensorflow")


@provokes("hyperparameter_invalid")
def hyperparameter_invalid(stage: Stage) -> httpx.Response:
    return train(stage, algorithm="image-classification", hyperparameters={"epochs": -1})


@provokes("job_invalid")
def job_invalid(stage: Stage) -> httpx.Response:
    return train(stage, target=None)


@provokes("job_not_found")
def job_not_found(stage: Stage) -> httpx.Response:
    return stage.jobs_call("GET", "/jobs/job-1")


@provokes("invalid_state")
def invalid_state(stage: Stage) -> httpx.Response:
    job = train(stage).raise_for_status().json()["id"]
    answer = stage.jobs_call("POST", f"/jobs/{job}/stop")
    while answer.is_success:  # again and again until it has ended
        answer = stage.jobs_call("POST", f"/jobs/{job}/stop")
    return answer


@provokes("no_row_answered")
def no_row_answered(_stage: Stage) -> None:
    progress = SimpleNamespace(rows=2, failed_rows=2, first_error="tensor_type: column 'rooms' holds 'many'")
    check_answered(progress)
