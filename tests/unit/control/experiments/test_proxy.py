"""What passes through `/mlflow`, as whom, and what does not."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from modelyard.control.access.errors import TokenInvalidError
from modelyard.control.experiments.proxy import TrackingProxy
from modelyard.control.rest.guard import Guard
from modelyard.kit.clock import SystemClock
from modelyard.types.access import AuditEntry, Principal, Role
from modelyard.types.experiments.tracking import TrackingStatus
from modelyard.types.experiments.workspaces import workspace_of

RUNS = "/mlflow/api/2.0/mlflow/runs"


class Tokens:
    """ "red-viewer" is a viewer of the project red, "viewer" one of every project."""

    def authenticate(self, secret: str) -> Principal:
        project, _, role = secret.rpartition("-")
        if role not in list(Role):
            raise TokenInvalidError("This token is not known here")
        return Principal(id=secret, name=secret, role=Role(role), project=project or None)


class Entries(list[AuditEntry]):
    def record(self, entry: AuditEntry) -> None:
        self.append(entry)


@pytest.fixture
def audit() -> Entries:
    return Entries()


@pytest.fixture
def call(standing, audit: Entries):
    guard = Guard(Tokens(), lambda name: name in ("default", "red", "my_project"))

    async def ask(method: str, path: str, secret: str = "red-developer", **what) -> httpx.Response:
        proxy = TrackingProxy(standing, guard, audit, SystemClock())
        transport = httpx.ASGITransport(Starlette(routes=[Mount("/mlflow", proxy)]))
        headers = what.pop("headers", {}) | ({"Authorization": f"Bearer {secret}"} if secret else {})
        async with httpx.AsyncClient(transport=transport, base_url="http://yard") as client:
            answer = await client.request(method, path, headers=headers, **what)
        await proxy.close()
        return answer

    def run(*arguments, **what) -> httpx.Response:
        return asyncio.run(ask(*arguments, **what))

    return run


def test_a_request_arrives_in_the_workspace_of_the_token_s_project_and_nothing_of_its_own_word(call, standing):
    lies = {"X-Modelyard-Project": "default", "Cookie": "a=b", "Origin": "http://yard"}
    answer = call("POST", f"{RUNS}/search?x=1", json={"experiment_ids": ["1"]}, headers=lies)
    assert answer.status_code == 200
    (seen,) = standing.requests
    assert (seen["path"], seen["query"], seen["body"]) == (f"{RUNS[7:]}/search", "x=1", {"experiment_ids": ["1"]})
    headers = seen["headers"]
    assert (headers["x-mlflow-workspace"], headers["x-modelyard-project"]) == ("red", "red")
    assert headers["authorization"] == "Bearer red-developer"
    assert not {"cookie", "origin"} & set(headers)


@pytest.mark.parametrize(
    ("secret", "headers", "project"),
    [
        ("viewer", {}, "default"),
        ("viewer", {"X-MLFLOW-WORKSPACE": "red"}, "red"),
        ("viewer", {"X-MLFLOW-WORKSPACE": "my_project"}, "my_project"),
        ("viewer", {"X-MLFLOW-WORKSPACE": workspace_of("my_project")}, "my_project"),
        ("my_project-viewer", {}, "my_project"),
        ("my_project-viewer", {"X-MLFLOW-WORKSPACE": workspace_of("my_project")}, "my_project"),
        ("my_project-viewer", {"X-MLFLOW-WORKSPACE": "my_project"}, "my_project"),
    ],
)
def test_the_project_is_the_token_s_or_the_one_that_is_named(call, standing, secret, headers, project):
    assert call("GET", f"{RUNS}/get", secret, headers=headers).status_code == 200
    seen = standing.requests[0]["headers"]
    assert (seen["x-modelyard-project"], seen["x-mlflow-workspace"]) == (project, workspace_of(project))


@pytest.mark.parametrize(
    ("method", "path", "secret", "headers", "status", "code"),
    [
        ("GET", f"{RUNS}/get", "", {}, 401, "UNAUTHENTICATED"),
        ("GET", f"{RUNS}/get", "nobody", {}, 401, "UNAUTHENTICATED"),
        ("POST", f"{RUNS}/log-metric", "red-viewer", {}, 403, "PERMISSION_DENIED"),
        ("GET", f"{RUNS}/get", "red-admin", {"X-MLFLOW-WORKSPACE": "default"}, 403, "PERMISSION_DENIED"),
        ("GET", f"{RUNS}/get", "red-admin", {"X-MLFLOW-WORKSPACE": "blue"}, 403, "PERMISSION_DENIED"),
        ("GET", f"{RUNS}/get", "admin", {"X-MLFLOW-WORKSPACE": "blue"}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", "/mlflow/api/2.0/mlflow/webhooks", "admin", {}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", f"{RUNS}/create", "red-developer", {"Origin": "http://evil"}, 403, "PERMISSION_DENIED"),
    ],
)
def test_who_may_not_does_not_get_through(call, standing, method, path, secret, headers, status, code):
    answer = call(method, path, secret, headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert not standing.requests
    assert not standing.demands


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (TrackingStatus.OFF, 501, "NOT_IMPLEMENTED"),
        (TrackingStatus.MISSING, 501, "NOT_IMPLEMENTED"),
        (TrackingStatus.FAILED, 503, "TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_a_server_that_is_not_there_is_said_to_be_so_in_mlflow_s_words(call, standing, state, status, code):
    standing.status = state
    answer = call("GET", f"{RUNS}/get")
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert f"it is {state}" in answer.json()["message"]


def test_what_the_server_can_do_is_said_while_it_is_being_started(call, standing):
    standing.status = TrackingStatus.STARTING
    answer = call("GET", "/mlflow/api/3.0/mlflow/server-info")
    assert answer.json()["workspaces_enabled"] is True
    assert standing.demands == 1
    assert not standing.requests
    assert call("GET", "/mlflow/api/3.0/mlflow/server-info", "nobody").status_code == 401


def test_a_server_that_dies_is_an_answer_and_not_a_defect(call, standing):
    standing.stop()
    answer = call("GET", f"{RUNS}/get")
    assert (answer.status_code, answer.json()["code"]) == (503, "tracking_unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_removals_are_in_the_audit_and_logged_metrics_are_not(call, audit: Entries):
    call("POST", f"{RUNS}/log-metric", json={})
    call("POST", f"{RUNS}/delete", json={"run_id": "1"})
    assert [(entry.principal_name, entry.project, entry.path) for entry in audit] == [
        ("red-developer", "red", f"{RUNS}/delete")
    ]
