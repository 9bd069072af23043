"""Routes of projects, tokens and the audit, on the real services and a real database."""

import hashlib
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelyard.control.access import api as access_api
from modelyard.control.access.repository import TokenRepository
from modelyard.control.access.service import AccessService
from modelyard.control.audit import api as audit_api
from modelyard.control.audit.repository import AuditRepository
from modelyard.control.audit.service import AuditService
from modelyard.control.projects import api as projects_api
from modelyard.control.projects.repository import ProjectRepository
from modelyard.control.projects.service import ProjectService
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.errors import UnauthenticatedError
from modelyard.kit.clock import FakeClock
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.types.access import Role

Connect = Callable[..., TestClient]


class Registry:
    """The part of the registry application that this file tests."""

    def __init__(self, database: Database, guard: Guard | None) -> None:
        self.clock = FakeClock()
        self.access = AccessService(database, TokenRepository(), self.clock)
        probes = {"tokens": self.access.is_empty}
        self.projects = ProjectService(database, ProjectRepository(), Creations(), probes, self.clock)
        self.projects.ensure_default()
        audit = AuditService(database, AuditRepository())
        guard = guard or Guard(self.access, self.projects.exists)
        routers = [
            projects_api.router(self.projects, guard),
            access_api.router(self.access, guard),
            audit_api.router(audit, guard),
        ]
        self.application: FastAPI = create_application(
            title="Registry", description="Test.", routers=routers, audit=audit, version="1", clock=self.clock
        )

    def secret(self, role: Role = Role.ADMIN, project: str | None = None, **options: object) -> str:
        return self.access.create(f"{project}-{role}", role, project, options.get("expires_at"))[1]


@pytest.fixture
def registry(database: Database) -> Registry:
    return Registry(database, None)


@pytest.fixture
def admin(registry: Registry, connect: Connect) -> TestClient:
    return connect(registry.application, registry.secret())


def test_every_route_is_protected(database: Database, stub_guard: Guard, assert_protected):
    assert assert_protected(Registry(database, stub_guard).application) == 17


def test_a_project_lives_through_create_change_and_delete(admin: TestClient):
    made = admin.post("/projects", json={"name": "fraud"})
    assert (made.status_code, made.json()["version"], made.headers["ETag"]) == (201, 1, '"1"')
    changed = admin.patch("/projects/fraud", json={"description": "Cards"}, headers={"If-Match": '"1"'})
    assert (changed.json()["description"], changed.headers["ETag"]) == ("Cards", '"2"')
    stale = admin.patch("/projects/fraud", json={"description": "Late"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert admin.get("/projects/fraud").json()["description"] == "Cards"
    assert admin.delete("/projects/fraud", headers={"If-Match": '"1"'}).status_code == 412
    assert admin.delete("/projects/fraud").status_code == 204
    assert admin.get("/projects/fraud").json()["code"] == "project_not_found"


def test_the_default_project_is_made_once(registry: Registry, admin: TestClient):
    admin.post("/projects", json={"name": "other"})
    assert admin.delete("/projects/default").status_code == 204
    registry.projects.ensure_default()
    assert [item["name"] for item in admin.get("/projects").json()["items"]] == ["other"]


def test_creating_a_project_is_idempotent_and_its_errors_are_clear(admin: TestClient):
    key = {"Idempotency-Key": "a"}
    first = admin.post("/projects", json={"name": "fraud"}, headers=key)
    assert admin.post("/projects", json={"name": "fraud"}, headers=key).json() == first.json()
    reused = admin.post("/projects", json={"name": "other"}, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")
    taken = admin.post("/projects", json={"name": "fraud"})
    assert (taken.status_code, taken.json()["code"], taken.json()["field"]) == (409, "project_exists", "name")
    assert admin.post("/projects", json={"name": "../x"}).json()["code"] == "name_invalid"
    assert admin.post("/projects", json={"name": "x", "nmae": 1}).json()["field"] == "nmae"


def test_a_project_that_holds_something_is_not_deleted(registry: Registry, admin: TestClient):
    registry.secret(Role.VIEWER, "default")
    answer = admin.delete("/projects/default")
    assert (answer.status_code, answer.json()["code"]) == (409, "project_not_empty")
    assert "still holds tokens" in answer.json()["message"]


def test_projects_come_in_pages_and_bound_tokens_see_their_own(registry: Registry, admin: TestClient, connect: Connect):
    for name in ("a", "b", "c"):
        admin.post("/projects", json={"name": name})
    first = admin.get("/projects", params={"limit": 3}).json()
    second = admin.get("/projects", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [item["name"] for item in first["items"] + second["items"]] == ["a", "b", "c", "default"]
    assert second["next_cursor"] is None
    own = connect(registry.application, registry.secret(Role.VIEWER, "b")).get("/projects").json()
    assert [item["name"] for item in own["items"]] == ["b"]


def test_a_token_is_shown_once_works_and_is_revoked_at_once(registry: Registry, admin: TestClient, connect: Connect):
    made = admin.post("/tokens", json={"name": "ci", "role": "developer", "project": "default"}).json()
    secret, token_id = made["secret"], made["token"]["id"]
    assert secret.startswith(f"my_{token_id}_")
    assert len(secret.rpartition(f"{token_id}_")[2]) == 43
    mine = connect(registry.application, secret)
    assert mine.get("/whoami").json() == {
        "id": token_id, "name": "ci", "role": "developer", "project": "default", "expires_at": None
    }  # fmt: skip
    listed = admin.get("/tokens")
    assert secret not in listed.text
    assert listed.json()["items"][0]["last_used_at"] is not None
    assert hashlib.sha256(secret.encode()).hexdigest() in admin.get("/route-tokens").text
    assert admin.delete(f"/tokens/{token_id}").json()["revoked_at"] is not None
    assert (mine.get("/whoami").status_code, mine.get("/whoami").json()["code"]) == (401, "token_revoked")
    assert token_id not in admin.get("/route-tokens").text
    assert admin.delete("/tokens/nothing").json()["code"] == "token_not_found"


def test_a_token_may_be_limited_in_how_often_it_calls_models(registry: Registry, admin: TestClient):
    made = admin.post("/tokens", json={"name": "ci", "role": "viewer", "requests_per_second": 12.5}).json()["token"]
    assert made["requests_per_second"] == 12.5
    routes = {route["id"]: route["requests_per_second"] for route in admin.get("/route-tokens").json()}
    assert routes[made["id"]] == 12.5
    assert set(routes.values()) == {12.5, None}
    refused = admin.post("/tokens", json={"name": "ci", "role": "viewer", "requests_per_second": 0})
    assert (refused.status_code, refused.json()["field"]) == (400, "requests_per_second")


def test_tokens_expire_even_while_they_are_remembered(registry: Registry, admin: TestClient, connect: Connect):
    soon = (registry.clock.now() + timedelta(seconds=3)).isoformat()
    made = admin.post("/tokens", json={"name": "x", "role": "viewer", "expires_at": soon}).json()
    mine = connect(registry.application, made["secret"])
    assert mine.get("/whoami").status_code == 200
    registry.clock.sleep(3)
    assert mine.get("/whoami").json()["code"] == "token_expired"
    late = admin.post("/tokens", json={"name": "x", "role": "viewer", "expires_at": soon})
    assert (late.status_code, late.json()["code"]) == (400, "token_lifetime_invalid")


def test_a_projects_administrator_stays_in_the_project(registry: Registry, admin: TestClient, connect: Connect):
    owner = connect(registry.application, registry.secret(Role.ADMIN, "default"))
    foreign = admin.post("/tokens", json={"name": "x", "role": "viewer"}).json()["token"]["id"]
    assert owner.post("/tokens", json={"name": "x", "role": "viewer", "project": "default"}).status_code == 201
    assert owner.post("/tokens", json={"name": "x", "role": "viewer"}).status_code == 403
    assert owner.post("/tokens", json={"name": "x", "role": "viewer", "project": "other"}).status_code == 403
    assert {token["project"] for token in owner.get("/tokens").json()["items"]} == {"default"}
    assert owner.get("/tokens", params={"project": "other"}).status_code == 403
    assert owner.delete(f"/tokens/{foreign}").status_code == 404
    assert owner.post("/projects", json={"name": "x"}).status_code == 403
    assert owner.patch("/projects/default", json={"description": "mine"}).status_code == 200
    assert owner.get("/audit", params={"project": "other"}).status_code == 403
    assert {entry["project"] for entry in owner.get("/audit").json()["items"]} == {"default"}


def test_introspection_tells_who_holds_a_token(registry: Registry, admin: TestClient):
    secret = registry.secret(Role.VIEWER, "default")
    assert admin.post("/introspect", json={"secret": secret}).json()["role"] == "viewer"
    answer = admin.post("/introspect", json={"secret": "my_x_y"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def test_the_audit_names_who_changed_what_and_holds_no_secret(admin: TestClient):
    admin.post("/projects", json={"name": "fraud"})
    admin.post("/projects", json={"name": "fraud"})
    made = admin.post("/tokens", json={"name": "x", "role": "viewer"}).json()
    entries = admin.get("/audit")
    shown = [(e["method"], e["path"], e["status"], e["principal_name"]) for e in entries.json()["items"]]
    assert shown == [
        ("POST", "/tokens", 201, "None-admin"),
        ("POST", "/projects", 409, "None-admin"),
        ("POST", "/projects", 201, "None-admin"),
    ]
    assert made["secret"] not in entries.text


def test_the_first_admin_token_is_made_once_and_only_its_owner_can_read_it(registry: Registry, tmp_path: Path):
    path = tmp_path / "admin.token"
    secret = registry.access.ensure_admin_token(path)
    assert secret is not None
    assert path.read_text() == f"{secret}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert registry.access.authenticate(secret).role is Role.ADMIN
    assert registry.access.ensure_admin_token(path) is None
    registry.access.revoke(registry.access.authenticate(secret).id, None)
    replacement = registry.access.ensure_admin_token(path)
    assert replacement not in (None, secret)
    with pytest.raises(UnauthenticatedError):
        registry.access.authenticate(secret)


def test_the_api_pages_describe_every_route_and_every_request_field(registry: Registry):
    pages = registry.application.openapi()
    for path, methods in pages["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert len(operation["description"]) > 30, (method, path)
    for name in ("ProjectCreate", "TokenCreate"):
        for field, schema in pages["components"]["schemas"][name]["properties"].items():
            assert "description" in schema, (name, field)
