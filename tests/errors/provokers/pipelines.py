"""Errors of pipelines."""

import time

import httpx
from stage import Stage

from modelyard.sdk.pipelines.builder import Pipeline
from modelyard.sdk.pipelines.documents import read_document
from modelyard.server.applications.assembly import OperationsLink
from modelyard.settings import Settings
from provokers.registration import provokes

ASK = {"ask": {"kind": "approve", "inputs": {"question": "${parameters.question}"}}}


def create(stage: Stage, **changes: object) -> httpx.Response:
    """The answer to a pipeline that asks a question."""
    parameters = {"question": {"type": "text", "default": "May it?"}}
    body = {"name": stage.name(), "steps": ASK, "parameters": parameters, **changes}
    return stage.jobs_call("POST", "/pipelines", json=body)


def run(stage: Stage, **parameters: object) -> httpx.Response:
    """The answer to the wish to run it."""
    name = create(stage).raise_for_status().json()["name"]
    return stage.jobs_call("POST", f"/pipelines/{name}/runs", json={"parameters": parameters})


def decide(stage: Stage, step: str, times: int) -> httpx.Response:
    """The answer to the last of so many decisions on a run that waits."""
    path = f"/pipeline-runs/{run(stage).raise_for_status().json()['id']}"
    while stage.jobs_call("GET", path).json()["status"] != "WAITING":
        time.sleep(0.1)
    decisions = [stage.jobs_call("POST", f"{path}/steps/{step}/decision", json={"approve": True}) for _ in range(times)]
    return decisions[-1]


@provokes("pipeline_invalid")
def pipeline_invalid(stage: Stage) -> httpx.Response:
    return create(stage, steps={"ask": {"kind": "aprove", "inputs": {"question": "${parameters.question}"}}})


@provokes("pipeline_exists")
def pipeline_exists(stage: Stage) -> httpx.Response:
    return create(stage, name=create(stage).raise_for_status().json()["name"])


@provokes("pipeline_not_found")
def pipeline_not_found(stage: Stage) -> httpx.Response:
    return stage.jobs_call("GET", "/pipelines/nobody")


@provokes("pipeline_parameter_invalid")
def pipeline_parameter_invalid(stage: Stage) -> httpx.Response:
    return run(stage, question=3)


@provokes("pipeline_run_not_found")
def pipeline_run_not_found(stage: Stage) -> httpx.Response:
    return stage.jobs_call("GET", "/pipeline-runs/run-1")


@provokes("pipeline_step_not_found")
def pipeline_step_not_found(stage: Stage) -> httpx.Response:
    return decide(stage, "asq", 1)


@provokes("pipeline_step_not_waiting")
def pipeline_step_not_waiting(stage: Stage) -> httpx.Response:
    return decide(stage, "ask", 2)


@provokes("operations_missing")
def operations_missing(stage: Stage) -> None:
    OperationsLink(Settings(home=stage.folder()))()


@provokes("pipeline_unreadable")
def pipeline_unreadable(stage: Stage) -> None:
    path = stage.folder() / "houses.yaml"
    path.write_text("- a list\n")
    read_document(path)


@provokes("pipeline_name_taken")
def pipeline_name_taken(_stage: Stage) -> None:
    pipeline = Pipeline("houses")
    pipeline.step("rows", "dataset", dataset="houses")
    pipeline.step("rows", "dataset", dataset="flats")
