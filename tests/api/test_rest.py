"""What all REST applications share, on a small one of its own."""

from collections.abc import Callable
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from modelyard.control.rest.application import create_application
from modelyard.control.rest.dependencies import Idempotency, IfMatch, PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.middleware import MAXIMUM_BODY_BYTES
from modelyard.errors import OverloadedError, TooLargeError
from modelyard.types.access import Action, Principal

Connect = Callable[..., TestClient]


class Inner(BaseModel):
    epochs: int


class Body(BaseModel):
    hyperparameters: Inner


@pytest.fixture
def application(stub_guard: Guard, list_audit) -> FastAPI:
    routes = APIRouter()

    @routes.post("/projects/{project}/things")
    def make(
        project: str,
        _who: Annotated[Principal, Depends(stub_guard.require(Action.WRITE))],
        key: Idempotency,
        body: Body,
    ) -> dict[str, str | None]:
        return {"key": key and key.key, "digest": key and key.request_digest}

    @routes.get("/pages", dependencies=[Depends(stub_guard.require(Action.READ))])
    def pages(page: PageParameters, version: IfMatch) -> dict[str, object]:
        return {"limit": page.limit, "after": page.after, "version": version, "next": page.encode(["a", 1])}

    @routes.delete("/fail/{how}", dependencies=[Depends(stub_guard.require(Action.ADMINISTER))])
    def fail(how: str) -> None:
        faults = {"busy": OverloadedError("Busy", retry_after_seconds=7), "large": TooLargeError("Too large")}
        raise faults.get(how, ValueError("internals"))

    return create_application(title="Test", description="A test.", routers=[routes], audit=list_audit, version="1")


def test_every_route_of_the_small_application_is_protected(application: FastAPI, assert_protected):
    assert assert_protected(application) == 3


def test_a_route_without_a_guard_is_found(application: FastAPI, assert_protected):
    application.get("/open")(lambda: None)
    with pytest.raises(AssertionError, match="/open has no guard"):
        assert_protected(application)


def test_health_needs_no_token_and_every_answer_has_a_request_id(application: FastAPI, connect: Connect):
    answer = connect(application).get("/health")
    assert answer.json() == {"status": "ok"}
    assert answer.headers["X-Request-Id"].startswith("req-")
    assert connect(application).get("/health", headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] == "mine"
    assert connect(application).get("/x", headers={"X-Request-Id": "a\tb"}).headers["X-Request-Id"].startswith("req-")


def test_validation_errors_name_the_field_by_its_path(application: FastAPI, connect: Connect):
    answer = connect(application, "admin").post(
        "/projects/default/things", json={"hyperparameters": {"epochs": "many"}}
    )
    assert answer.status_code == 400
    body = answer.json()
    assert (body["code"], body["field"]) == ("invalid_input", "hyperparameters.epochs")
    assert "integer" in body["message"]
    assert body["details"][0]["field"] == "hyperparameters.epochs"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"name": ', "The body is no JSON: Expecting value at character 9"),
        (b"\x80abcd", "There was an error parsing"),
    ],
)
def test_a_body_that_is_no_json_is_told_so(body: bytes, message: str, application: FastAPI, connect: Connect):
    headers = {"Content-Type": "application/json"}
    answer = connect(application, "admin").post("/projects/default/things", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "invalid_input", None)
    assert answer.json()["message"].startswith(message)
    assert answer.json()["hint"]


def test_errors_carry_their_status_and_retry_after(application: FastAPI, connect: Connect):
    client = connect(application, "admin")
    busy = client.delete("/fail/busy")
    assert (busy.status_code, busy.headers["Retry-After"], busy.json()["code"]) == (429, "7", "overloaded")
    assert client.delete("/fail/large").status_code == 413
    defect = client.delete("/fail/otherwise")
    assert (defect.status_code, defect.json()["code"]) == (500, "internal")
    assert "internals" not in defect.text
    assert defect.headers["X-Request-Id"] in defect.json()["hint"]
    assert client.get("/nowhere").json()["code"] == "route_not_found"
    assert client.post("/pages").json()["code"] == "method_not_allowed"
    assert connect(application).get("/pages").headers["WWW-Authenticate"] == "Bearer"


def test_a_project_that_is_not_there_is_seen_only_by_those_who_may(application: FastAPI, connect: Connect):
    body = {"hyperparameters": {"epochs": 1}}
    assert connect(application, "default-admin").post("/projects/ghost/things", json=body).status_code == 403
    answer = connect(application, "admin").post("/projects/ghost/things", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "project_not_found")


def test_idempotency_keys_depend_on_the_caller_and_the_body_counts(application: FastAPI, connect: Connect):
    def post(secret: str, key: str | None, epochs: int) -> dict[str, str]:
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"hyperparameters": {"epochs": epochs}}
        answer = connect(application, secret).post("/projects/default/things", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    first = post("admin", "a", 1)
    assert post("admin", "a", 1) == first
    assert post("admin", "a", 2)["key"] == first["key"]
    assert post("admin", "a", 2)["digest"] != first["digest"]
    assert post("operator", "a", 1)["key"] != first["key"]
    assert post("admin", None, 1) == {"key": None, "digest": None}
    too_long = connect(application, "admin").post(
        "/projects/default/things", json={"hyperparameters": {"epochs": 1}}, headers={"Idempotency-Key": "x" * 256}
    )
    assert too_long.json()["code"] == "header_invalid"


def test_cursors_go_around_and_others_are_refused(application: FastAPI, connect: Connect):
    client = connect(application, "viewer")
    first = client.get("/pages").json()
    assert (first["limit"], first["after"]) == (50, None)
    assert client.get("/pages", params={"cursor": first["next"]}).json()["after"] == ["a", 1]
    for cursor in ("***", "eyJhIjoxfQ", "bnVsbA", "äö"):
        answer = client.get("/pages", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
    assert client.get("/pages", params={"limit": 501}).json()["field"] == "limit"


def test_if_match_takes_an_etag(application: FastAPI, connect: Connect):
    client = connect(application, "viewer")
    for sent, version in (('"3"', 3), ('W/"4"', 4), ("*", None)):
        assert client.get("/pages", headers={"If-Match": sent}).json()["version"] == version
    assert client.get("/pages", headers={"If-Match": "3"}).json()["field"] == "If-Match"


def test_changes_are_audited_before_their_answer_and_reading_is_not(application: FastAPI, connect: Connect, list_audit):
    connect(application, "default-developer").get("/pages")
    connect(application).delete("/fail/busy")
    assert list_audit.entries == []
    connect(application, "default-developer").post("/projects/default/things?secret=1", json={"password": "x"})
    connect(application, "default-developer").delete("/fail/busy")
    connect(application, "admin").delete("/fail/otherwise")
    seen = [(e.principal_name, e.project, e.method, e.path, e.status) for e in list_audit.entries]
    assert seen == [
        ("default-developer", "default", "POST", "/projects/default/things", 400),
        ("default-developer", None, "DELETE", "/fail/busy", 403),
        ("admin", None, "DELETE", "/fail/otherwise", 500),
    ]


def test_a_body_over_the_limit_is_refused_before_it_is_read(application: FastAPI, connect: Connect):
    client = connect(application)
    announced = client.post("/projects/default/things", content=b"x" * (MAXIMUM_BODY_BYTES + 1))
    assert (announced.status_code, announced.json()["code"]) == (413, "too_large")
    chunks = (b"x" * (1 << 20) for _ in range(20))
    assert client.post("/projects/default/things", content=chunks).status_code == 413
