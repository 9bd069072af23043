"""Errors of tuning jobs."""

import time
from unittest import mock

import httpx
from stage import Stage

from modelyard.cli.commands.searching.searches import start_algorithm
from modelyard.control.tuning.service import TuningService
from modelyard.types.tuning.jobs import Trial, TrialStatus
from provokers.jobs import TABLE
from provokers.registration import provokes


def tune(stage: Stage, **changes: object) -> httpx.Response:
    """The answer to a search on a small table."""
    dataset = stage.dataset(TABLE, "table.csv").raise_for_status().json()["dataset"]
    body = {
        "algorithm": "linear-classification",
        "target": "label",
        "channels": {"train": {"dataset": dataset}},
        "space": {"regularisation": {"low": 0.1, "high": 10}},
        "schedule": {"hold": True},
        **changes,
    }
    return stage.jobs_call("POST", "/tuning-jobs", json=body)


def register(stage: Stage, number: int) -> httpx.Response:
    """The answer to the wish to register a trial of a search whose trials wait."""
    search = tune(stage).raise_for_status().json()["id"]
    while not stage.jobs_call("GET", f"/tuning-jobs/{search}/trials").json()["items"]:
        time.sleep(0.1)
    answer = stage.jobs_call("POST", f"/tuning-jobs/{search}/trials/{number}/register", json={"model": "m"})
    stage.jobs_call("POST", f"/tuning-jobs/{search}/stop").raise_for_status()
    return answer


@provokes("tuning_invalid")
def tuning_invalid(stage: Stage) -> httpx.Response:
    return tune(stage, strategy="grid")


@provokes("tuning_not_found")
def tuning_not_found(stage: Stage) -> httpx.Response:
    return stage.jobs_call("GET", "/tuning-jobs/tuning-1")


@provokes("nothing_to_tune")
def nothing_to_tune(_stage: Stage) -> None:
    search = mock.MagicMock()
    start_algorithm(mock.MagicMock(), search, None, None, target=None, objectives=[])


@provokes("trial_not_found")
def trial_not_found(stage: Stage) -> httpx.Response:
    return register(stage, 99)


@provokes("trial_unfinished")
def trial_unfinished(stage: Stage) -> httpx.Response:
    return register(stage, 0)


@provokes("trial_files_gone")
def trial_files_gone(_stage: Stage) -> None:
    parts = {name: mock.MagicMock() for name in ("database", "repository", "creations", "jobs", "scripts", "clock")}
    trial = Trial(number=0, status=TrialStatus.COMPLETED, hyperparameters={}, job="job-1", has_files=False)
    parts["repository"].trials.return_value = [trial]
    parts["repository"].find.return_value.search.kept_trials = 5
    TuningService(**parts).register("default", "tuning-1", 0, "m", created_by="me")
