"""Errors of AutoML jobs."""

from unittest import mock

import httpx
from stage import Stage

from modelyard.algorithms.automl.automl import automl
from modelyard.algorithms.automl.searchers import chosen_source
from modelyard.algorithms.base import Channel
from modelyard.algorithms.jobfile import JobFile
from modelyard.algorithms.run import JobContext
from modelyard.types.automl.recipes import AutoMLRecipe, CandidateSource
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobRecipe
from modelyard.types.models import DataReference
from provokers.jobs import TABLE, train
from provokers.registration import provokes


def search(stage: Stage, **changes: object) -> httpx.Response:
    """The answer to an AutoML job that does not start."""
    dataset = stage.dataset(TABLE, "table.csv").raise_for_status().json()["dataset"]
    body = {"data": {"dataset": dataset}, "target": "label", "model": "winner", "schedule": {"hold": True}, **changes}
    return stage.jobs_call("POST", "/automl-jobs", json=body)


@provokes("automl_invalid")
def automl_invalid(stage: Stage) -> httpx.Response:
    return search(stage, model=None)


@provokes("flaml_missing")
def flaml_missing(_stage: Stage) -> None:
    with mock.patch("importlib.util.find_spec", return_value=None):
        chosen_source(CandidateSource.FLAML)


@provokes("no_candidate")
def no_candidate(stage: Stage) -> None:
    folder = stage.folder()
    (folder / "table.csv").write_bytes(TABLE)
    (folder / "output").mkdir()
    reference = DataReference(project="default", dataset="table", number=1, digest="0" * 64)
    channel = Channel(path=folder / "table.csv", format=DatasetFormat.CSV, reference=reference)
    recipe = JobRecipe(
        algorithm="automl", target="label", automl=AutoMLRecipe(budget_seconds=1e-3, source=CandidateSource.BUILT_IN)
    )
    context = JobContext(seed=0, threads=1, target="label", output=folder / "output")
    with mock.patch("modelyard.algorithms.automl.automl._OVERTIME_SECONDS", 0.0):
        automl(JobFile(recipe=recipe, channels={"train": channel}), context)


@provokes("report_not_found")
def report_not_found(stage: Stage) -> httpx.Response:
    job = train(stage, schedule={"hold": True}).raise_for_status().json()["id"]
    return stage.jobs_call("GET", f"/automl-jobs/{job}/report")


@provokes("no_winner")
def no_winner(stage: Stage) -> httpx.Response:
    job = search(stage).raise_for_status().json()["id"]
    return stage.jobs_call("GET", f"/automl-jobs/{job}/script")
