"""Routes of pipelines: who may call what, what they answer, how they refuse."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelyard.control.pipelines.api import router
from modelyard.control.pipelines.kinds.catalog import Works, all_kinds, descriptions
from modelyard.control.pipelines.repository import PipelineRepository
from modelyard.control.pipelines.runs import RunService
from modelyard.control.pipelines.service import PipelineService
from modelyard.control.rest.application import create_application
from modelyard.kit.clock import SystemClock
from modelyard.storage.creations import Creations

PIPELINES, RUNS = "/projects/default/pipelines", "/projects/default/pipeline-runs"
ROWS = {"rows": {"kind": "dataset", "inputs": {"dataset": "${parameters.rows}"}}}
BODY = {"name": "houses", "steps": ROWS, "parameters": {"rows": {"type": "dataset", "default": "houses"}}}
SERVE = {"serve": {"kind": "deploy", "inputs": {"endpoint": "houses", "model": "${parameters.rows}"}}}


@pytest.fixture
def yard(database) -> SimpleNamespace:
    kinds = all_kinds(Works(**dict.fromkeys(Works.__slots__)))
    shared = {"database": database, "repository": PipelineRepository(), "creations": Creations()}
    return SimpleNamespace(
        service=PipelineService(kinds=descriptions(kinds), clock=SystemClock(), **shared),
        runs=RunService(clock=SystemClock(), **shared),
        wakings=[],
    )


@pytest.fixture
def application(yard, stub_guard, list_audit) -> FastAPI:
    routers = [router(yard.service, yard.runs, stub_guard, lambda: yard.wakings.append(1))]
    return create_application(title="Jobs", description="", routers=routers, audit=list_audit, version="0")


@pytest.fixture
def client(application: FastAPI, connect: Callable[..., TestClient]) -> TestClient:
    return connect(application, "default-developer")


def test_every_route_is_protected(application: FastAPI, assert_protected):
    assert assert_protected(application) == 13


def test_a_pipeline_is_created_shown_changed_and_deleted(client: TestClient, yard):
    made = client.post(PIPELINES, json=BODY, headers={"Idempotency-Key": "once"})
    assert (made.status_code, made.headers["ETag"], yard.wakings) == (201, '"1"', [1])
    assert client.post(PIPELINES, json=BODY, headers={"Idempotency-Key": "once"}).json() == made.json()
    assert client.get(f"{PIPELINES}/houses").json() == made.json()
    assert client.post(PIPELINES, json=BODY).json()["code"] == "pipeline_exists"
    change = {name: value for name, value in BODY.items() if name != "name"} | {"description": "Prices"}
    changed = client.put(f"{PIPELINES}/houses", json=change, headers={"If-Match": '"1"'})
    assert (changed.json()["version"], changed.json()["description"]) == (2, "Prices")
    assert client.put(f"{PIPELINES}/houses", json=change, headers={"If-Match": '"1"'}).status_code == 412
    assert client.get(f"{PIPELINES}/houses/graph").json()["nodes"][0]["name"] == "rows"
    assert [each["name"] for each in client.get(PIPELINES).json()["items"]] == ["houses"]
    assert client.delete(f"{PIPELINES}/houses").status_code == 204
    assert client.get(f"{PIPELINES}/houses").json()["code"] == "pipeline_not_found"


def test_a_run_is_started_shown_and_stopped(client: TestClient):
    client.post(PIPELINES, json=BODY)
    started = client.post(f"{PIPELINES}/houses/runs", json={"parameters": {"rows": "houses:3"}})
    assert (started.status_code, started.json()["status"]) == (201, "RUNNING")
    run = started.json()["id"]
    assert client.get(f"{RUNS}/{run}").json()["parameters"] == {"rows": "houses:3"}
    assert client.get(f"{RUNS}/{run}/graph").json()["nodes"][0]["status"] == "PENDING"
    assert [each["id"] for each in client.get(RUNS, params={"pipeline": "houses"}).json()["items"]] == [run]
    assert client.get(RUNS, params={"pipeline": "flats"}).json()["items"] == []
    assert client.post(f"{RUNS}/{run}/stop").json()["status"] == "STOPPING"


def test_what_changes_the_traffic_takes_an_operator(application: FastAPI, connect: Callable[..., TestClient]):
    developer, operator = connect(application, "default-developer"), connect(application, "default-operator")
    body = BODY | {"steps": ROWS | SERVE, "parameters": {"rows": {"type": "any", "default": "houses"}}}
    assert developer.post(PIPELINES, json=body).status_code == 403
    assert operator.post(PIPELINES, json=body).status_code == 201
    assert developer.post(f"{PIPELINES}/houses/runs", json={}).status_code == 403
    assert operator.post(f"{PIPELINES}/houses/runs", json={}).status_code == 201
    assert (
        developer.put(f"{PIPELINES}/houses", json={"steps": SERVE, "parameters": body["parameters"]}).status_code == 403
    )


def test_mistakes_are_answered_with_their_field(client: TestClient):
    wrong = client.post(PIPELINES, json=BODY | {"steps": {"rows": {**ROWS["rows"], "kind": "datset"}}})
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["field"]) == (
        400, "pipeline_invalid", "steps.rows.kind",
    )  # fmt: skip
    assert "Did you mean 'dataset'?" in wrong.json()["hint"]


def test_kinds_of_steps_tell_what_they_take_and_give(client: TestClient):
    kinds = {kind["name"]: kind for kind in client.get("/pipeline-step-kinds").json()["items"]}
    assert {output["name"]: output["type"] for output in kinds["training"]["outputs"]}["model"] == "model"
    assert len(kinds) == 13
