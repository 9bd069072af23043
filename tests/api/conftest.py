"""Fixtures for tests of routes: known callers, a stub of the token store, and the walk over every route."""

import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from modelyard.control.access.errors import TokenInvalidError
from modelyard.control.rest.guard import Guard, Requirement
from modelyard.types.access import Action, AuditEntry, Principal, Role

PROJECT = "default"
SMALLEST_ROLE = {
    Action.READ: Role.VIEWER,
    Action.INFER: Role.VIEWER,
    Action.WRITE: Role.DEVELOPER,
    Action.OPERATE: Role.OPERATOR,
    Action.ADMINISTER: Role.ADMIN,
}
ROLES = list(Role)
PUBLIC = {"/health"}


class StubAuthenticator:
    """Secrets "viewer", "developer", "operator", "admin" are bound to no project, "default-<role>" to the project
    "default", and "other-<role>" to the project "other"."""

    def authenticate(self, secret: str) -> Principal:
        project, _, role = secret.rpartition("-")
        if role not in ROLES or project not in ("", PROJECT, "other"):
            raise TokenInvalidError("This token is not known here")
        return Principal(id=f"token-{secret}", name=secret, role=Role(role), project=project or None)


class ListAudit:
    """Audit entries in a list."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


@pytest.fixture(scope="session")
def stub_guard() -> Guard:
    """A guard that knows the callers of StubAuthenticator and the projects "default" and "other"."""
    return Guard(StubAuthenticator(), lambda name: name in (PROJECT, "other"))


@pytest.fixture
def list_audit() -> ListAudit:
    return ListAudit()


@pytest.fixture
def connect() -> Callable[..., TestClient]:
    """`connect(application, "default-developer")`: a client that sends this secret (none: no token)."""

    def make(application: FastAPI, secret: str | None = None) -> TestClient:
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        return TestClient(application, headers=headers, raise_server_exceptions=False)

    return make


@pytest.fixture
def assert_protected(connect: Callable[..., TestClient]) -> Callable[[FastAPI], int]:
    """`assert_protected(application)` walks every route of an application that was built with `stub_guard`: no token
    401, a token of another project 403, the next smaller role 403. Returns how many routes it saw."""

    def walk(application: FastAPI) -> int:
        client = connect(application)
        routes = [
            (method, context)
            for context in iter_route_contexts(application.routes)
            for method in sorted(context.methods or ())
            if hasattr(context.route, "dependant") and context.path not in PUBLIC
        ]
        for method, context in routes:
            requirement = _requirement(context)
            path = re.sub(r"\{(\w+)(:\w+)?\}", lambda m: PROJECT if m[1] == "project" else "1", context.path or "")
            for secret in (None, "nobody", *_too_small(requirement, path)):
                headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
                answer = client.request(method, path, headers=headers)
                expected = 401 if secret in (None, "nobody") else 403
                assert answer.status_code == expected, (
                    f"{method} {path} as {secret}: {answer.status_code} {answer.text}"
                )
                assert answer.json()["code"]
        return len(routes)

    return walk


def _requirement(context: object) -> Requirement:
    calls = [dependency.call for dependency in context.dependant.dependencies]
    found = [call for call in calls if isinstance(call, Requirement)]
    assert found, f"{context.path} has no guard"
    return found[0]


def _too_small(requirement: Requirement, path: str) -> list[str]:
    """Callers who must be refused: too small a role, and the largest role of another project."""
    smaller = ROLES[: ROLES.index(SMALLEST_ROLE[requirement.action])]
    secrets = [secret for role in smaller[-1:] for secret in (role, f"{PROJECT}-{role}")]
    is_platform = f"/{PROJECT}" not in path
    if not is_platform or (not requirement.is_own and requirement.action is not Action.READ):
        secrets.append("other-admin")
    return secrets
