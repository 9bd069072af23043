"""ASGI layers around every application: request ids, the audit, and a limit on bodies that are read into memory."""

import re

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard.control.rest.audit_log import AuditLog
from modelyard.errors import TooLargeError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.types.access import AuditEntry, Principal

MAXIMUM_BODY_BYTES = 16 << 20
_STREAMED = re.compile(  # routes that never hold a body in memory
    r"PATCH .*/projects/[^/]+/uploads/[^/]+|POST .*/projects/[^/]+/endpoints/[^/]+/feedback/files"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,80}")
_UNAUDITED_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestIdMiddleware:
    """Gives each request an id (the caller's X-Request-Id if it is fit), in the answer and in every log line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("X-Request-Id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


class AuditMiddleware:
    """Writes an audit entry for each change before the caller hears of it, so that no acknowledged change lacks one.

    Requests without a valid token are not entered: anyone could fill the table with them. Bodies, query strings and
    headers never get in.
    """

    def __init__(self, app: ASGIApp, audit: AuditLog, clock: Clock) -> None:
        self._app = app
        self._audit = audit
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] in _UNAUDITED_METHODS:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_after_entry(message: Message) -> None:
            if message["type"] == "http.response.start" and "principal" in state:
                await run_in_threadpool(self._audit.record, self._entry(scope, message["status"]))
                state["is_audited"] = True
            await send(message)

        try:
            await self._app(scope, receive, send_after_entry)
        except Exception:
            if "principal" in state and "is_audited" not in state:
                await run_in_threadpool(self._audit.record, self._entry(scope, 500))
            raise

    def _entry(self, scope: Scope, status: int) -> AuditEntry:
        principal: Principal = scope["state"]["principal"]
        return AuditEntry(
            id=new_id("audit"),
            at=self._clock.now(),
            principal_id=principal.id,
            principal_name=principal.name,
            project=scope["state"].get("project"),
            method=scope["method"],
            path=scope["path"],
            status=status,
        )


class BodyLimitMiddleware:
    """Refuses bodies over MAXIMUM_BODY_BYTES, which would be read into memory before anybody asks for a token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or _STREAMED.fullmatch(f"{scope['method']} {scope['path']}"):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("Content-Length", "")
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            if announced.isdecimal() and int(announced) > MAXIMUM_BODY_BYTES:
                raise _too_large(int(announced))
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAXIMUM_BODY_BYTES:
                raise _too_large(received)
            return message

        await self._app(scope, receive_limited, send)


def _too_large(size: int) -> TooLargeError:
    return TooLargeError(
        f"The request body has at least {size} bytes; this route takes {MAXIMUM_BODY_BYTES} at most",
        hint="Send large data through an upload (POST .../uploads).",
    )
