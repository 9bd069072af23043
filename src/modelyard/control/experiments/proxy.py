"""The ASGI application at `/mlflow`: who calls, what he may, in which project; then MLflow's server answers.

MLflow's server trusts whoever reaches its socket. So nothing of a request's own word about its workspace gets there,
and what MLflow reads of the caller's token is the token that was checked here.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, cast

import structlog
from fastapi.security import HTTPAuthorizationCredentials
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGISendCallable

from modelyard.control.experiments.contracts import TrackingServer
from modelyard.control.experiments.credentials import check_same_site, secret_of
from modelyard.control.experiments.errors import ExperimentsOffError, TrackingUnavailableError
from modelyard.control.experiments.routes import SERVER_INFO, action_of, is_removal, is_server_info
from modelyard.control.rest.audit_log import AuditLog
from modelyard.control.rest.errors import status_of
from modelyard.control.rest.guard import Guard
from modelyard.dataplane.gateway.http.proxy import SocketProxy
from modelyard.errors import (
    ConflictError,
    InvalidInputError,
    ModelyardError,
    NotFoundError,
    PermissionDeniedError,
    TemporaryError,
    UnauthenticatedError,
)
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.types.access import AuditEntry, Principal
from modelyard.types.experiments.tracking import TrackingStatus
from modelyard.types.experiments.workspaces import HEADER, project_of, workspace_of

_log = structlog.get_logger(__name__)

START_SECONDS = 100.0  # MLflow's client waits 120 s for an answer
_LOOK_SECONDS = 0.05
_DEFAULT_PROJECT = "default"
_NOT_IMPLEMENTED = 501  # the one status of ours that MLflow's client does not try again
_PROJECT_HEADER = b"x-modelyard-project"  # read by facades.mlflow.platform
_OWN = frozenset((b"authorization", b"origin", b"referer", b"cookie", HEADER.encode(), _PROJECT_HEADER))
_ERROR_CODES: dict[type[ModelyardError], str] = {
    ExperimentsOffError: "NOT_IMPLEMENTED",
    UnauthenticatedError: "UNAUTHENTICATED",
    PermissionDeniedError: "PERMISSION_DENIED",
    NotFoundError: "RESOURCE_DOES_NOT_EXIST",
    InvalidInputError: "INVALID_PARAMETER_VALUE",
    ConflictError: "INVALID_STATE",
    TemporaryError: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's words for our families. Source: MLflow, `databricks.proto`, ErrorCode."""


@dataclass(frozen=True, slots=True)
class _Caller:
    principal: Principal
    project: str
    secret: str


class TrackingProxy:
    """See the module.

    Args:
        server: MLflow's.
        guard: knows tokens and projects.
        audit: takes note of what is removed.
        clock: for its times.
    """

    def __init__(self, server: TrackingServer, guard: Guard, audit: AuditLog, clock: Clock) -> None:
        self._server = server
        self._guard = guard
        self._audit = audit
        self._clock = clock
        self._relay = SocketProxy(str(server.socket), _refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        path = _below(scope)
        try:
            caller = await run_in_threadpool(self._admit, Request(scope), path)
            with self._server.demand():
                if is_server_info(path) and self._server.state().status is TrackingStatus.STARTING:
                    await Response(json.dumps(SERVER_INFO), media_type="application/json")(scope, receive, send)
                    return
                await self._ready()
                if is_removal(scope["method"], path):
                    await run_in_threadpool(self._audit.record, self._entry(scope, caller))
                await self._relay(cast("Any", _passed_on(scope, path, caller)), cast("Any", receive), cast("Any", send))
        except ModelyardError as error:
            await _answer(error)(scope, receive, send)

    async def close(self) -> None:
        """Close the connections to the server."""
        await self._relay.close()

    def _admit(self, request: Request, path: str) -> _Caller:
        """Who calls, and in which project.

        Raises:
            UnauthenticatedError: no or no valid token.
            PermissionDeniedError: role too small, another project, or a page of another site.
            NotFoundError: no such route, or project.
        """
        secret = secret_of(request.headers)
        credentials = None if secret is None else HTTPAuthorizationCredentials(scheme="Bearer", credentials=secret)
        principal = self._guard.identify(request, credentials)
        check_same_site(request.method, request.headers)
        action = action_of(request.method, path)
        wanted = request.headers.get(HEADER, "").strip()
        if principal.project is not None and wanted in ("", workspace_of(principal.project)):
            project = principal.project
        else:
            project = project_of(wanted) or _DEFAULT_PROJECT
        self._guard.check(principal, action, project)
        self._guard.check_project(project)
        return _Caller(principal, project, secret or "")

    async def _ready(self) -> None:
        """Wait for the server, if it is being started.

        Raises:
            ExperimentsOffError: there is none to start.
            TrackingUnavailableError: it did not start.
        """
        deadline = time.monotonic() + START_SECONDS
        while (state := self._server.state()).status is not TrackingStatus.RUNNING:
            if state.status in (TrackingStatus.OFF, TrackingStatus.MISSING):
                raise ExperimentsOffError(
                    state.message, hint="pip install 'modelyard[mlflow]' where the platform runs, and start it again."
                )
            if state.status is TrackingStatus.FAILED or time.monotonic() > deadline:
                raise TrackingUnavailableError(
                    f"MLflow's server is not there: {state.message}",
                    hint="`modelyard status` says how it stands, the log `mlflow.log` in the state directory why.",
                    retry_after_seconds=5.0,
                )
            await asyncio.sleep(_LOOK_SECONDS)

    def _entry(self, scope: Scope, caller: _Caller) -> AuditEntry:
        return AuditEntry(
            id=new_id("audit"),
            at=self._clock.now(),
            principal_id=caller.principal.id,
            principal_name=caller.principal.name,
            project=caller.project,
            method=scope["method"],
            path=scope["path"],
            status=0,
        )


def _below(scope: Scope) -> str:
    """The path after `/mlflow`."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _passed_on(scope: Scope, path: str, caller: _Caller) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _OWN]
    headers.append((HEADER.encode(), workspace_of(caller.project).encode()))
    headers.append((_PROJECT_HEADER, caller.project.encode()))
    headers.append((b"authorization", b"Bearer " + caller.secret.encode()))
    raw: bytes = scope.get("raw_path") or path.encode()
    below = raw.partition(b"?")[0].removeprefix(scope.get("root_path", "").encode()) or b"/"
    return {**scope, "path": path, "raw_path": below, "root_path": "", "headers": headers}


async def _refuse(send: ASGISendCallable, error: BaseException) -> None:
    _log.warning("tracking server did not answer", error=repr(error))
    unavailable = TrackingUnavailableError(
        f"MLflow's server ended in the middle of this request ({type(error).__name__})",
        hint="It is started again by itself; look whether the request was carried out before you send it again.",
        retry_after_seconds=1.0,
    )
    answer = _answer(unavailable)
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": bytes(answer.body), "more_body": False})


def _answer(error: ModelyardError) -> Response:
    """In MLflow's form, so that its client shows the words; a browser without a password is asked for one."""
    code = next(_ERROR_CODES[kind] for kind in (*type(error).__mro__, TemporaryError) if kind in _ERROR_CODES)
    words = f"{error.message}. {error.hint}".strip()  # MLflow's client shows the message alone
    body = {"error_code": code, "message": words, "code": error.code, "hint": error.hint}
    status = _NOT_IMPLEMENTED if isinstance(error, ExperimentsOffError) else status_of(error)
    headers = {}
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Basic realm="Modelyard: any user name, a token as the password", charset="UTF-8"'
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    return Response(json.dumps(body), status, headers, media_type="application/json")
