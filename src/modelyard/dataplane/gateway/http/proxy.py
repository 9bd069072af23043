"""Streams requests to another process's Unix socket: to control, from the gateway, every one that is not inference.

Source: RFC 9110 section 7.6 (what an intermediary must not pass on).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress

import httpcore
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from modelyard.dataplane.errors import ControlUnavailableError
from modelyard.dataplane.gateway.http.responses import JSON, error_body, error_headers, status_of
from modelyard.errors import ModelyardError

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_SET_HERE = frozenset((b"expect", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"))
_CONNECT_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 4.0  # control's server closes idle connections after 5: never reuse one that is about to go
_MAX_CONNECTIONS = 1000
_REPEATABLE = (b"GET", b"HEAD")

HeaderList = list[tuple[bytes, bytes]]
Refuse = Callable[[ASGISendCallable, BaseException], Awaitable[None]]
"""Answers a request that could not be passed on, or whose answer did not come."""


async def refuse_for_control(send: ASGISendCallable, error: BaseException) -> None:
    """Say that control is away."""
    await _send_error(send, _unavailable(error))


class SocketProxy:
    """Forwards requests to a socket. Bodies pass through piece by piece in both directions, none is held.

    Args:
        socket: Unix socket of an HTTP server; empty: it is reached by `origin`.
        refuse: says that it does not answer.
        origin: of a server that has an address; requests must carry its host.
    """

    def __init__(
        self, socket: str, refuse: Refuse = refuse_for_control, origin: tuple[bytes, bytes, int] | None = None
    ) -> None:
        self._refuse = refuse
        self._scheme, self._host = origin[:2] if origin else (b"http", b"control")
        self._port = origin[2] if origin else None
        self._pool = httpcore.AsyncConnectionPool(
            uds=socket or None, max_connections=_MAX_CONNECTIONS, keepalive_expiry=_KEEP_ALIVE_SECONDS
        )

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        body = _Body(receive, scope["headers"])
        relay = asyncio.ensure_future(self._relay(scope, body, send))
        gone = asyncio.ensure_future(body.disconnected())
        try:
            await asyncio.wait((relay, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not relay.done():
                relay.cancel()
            with suppress(asyncio.CancelledError, _ClientGoneError):
                await relay

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _relay(self, scope: HTTPScope, body: "_Body", send: ASGISendCallable) -> None:
        try:
            response = await self._request(scope, body)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            await self._refuse(send, error)
            return
        try:
            headers = forwardable(response.headers)
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            async for piece in response.aiter_stream():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await response.aclose()

    async def _request(self, scope: HTTPScope, body: "_Body") -> httpcore.Response:
        method = scope["method"].encode()
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        request = httpcore.Request(
            method,
            httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=target),
            headers=_request_headers(scope, is_chunked=body.is_chunked),
            content=body if body.is_expected else None,
            extensions={"timeout": {"connect": _CONNECT_SECONDS}},
        )
        try:
            return await self._pool.handle_async_request(request)
        except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
            # A connection that the other side closed while it was idle; only a request without effect may be repeated.
            if method not in _REPEATABLE or body.is_expected:
                raise
            return await self._pool.handle_async_request(request)


def forwardable(headers: Iterable[tuple[bytes, bytes]]) -> HeaderList:
    """`headers` without those that are for one connection only, including those that Connection names."""
    found = [(name.lower(), value) for name, value in headers]
    named = {token.strip().lower() for name, value in found if name == b"connection" for token in value.split(b",")}
    return [(name, value) for name, value in found if name not in _HOP_BY_HOP and name not in named]


class _ClientGoneError(Exception):
    """The client left in the middle of its request."""


class _Body:
    """A request body as it comes, and then the news that the client has gone."""

    def __init__(self, receive: ASGIReceiveCallable, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._receive = receive
        self._is_read = asyncio.Event()
        fields = dict(headers)
        self.is_chunked = b"transfer-encoding" in fields
        self.is_expected = self.is_chunked or fields.get(b"content-length", b"0") != b"0"
        if not self.is_expected:
            self._is_read.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        is_more = True
        while is_more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise _ClientGoneError
            is_more = message.get("more_body", False)
            if piece := message.get("body", b""):
                yield piece
        self._is_read.set()

    async def disconnected(self) -> None:
        """Return when the client has gone, once its body was read."""
        await self._is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _request_headers(scope: HTTPScope, *, is_chunked: bool) -> HeaderList:
    headers = [(name, value) for name, value in forwardable(scope["headers"]) if name not in _SET_HERE]
    host = next((value for name, value in headers if name == b"host"), b"")
    client = scope["client"]
    # What the client says about itself is not passed on: audit entries must be able to trust these three.
    headers.append((b"x-forwarded-for", (client[0] if client else "").encode()))
    headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
    headers.append((b"x-forwarded-host", host))
    if is_chunked:
        headers.append((b"transfer-encoding", b"chunked"))
    return headers


async def _send_error(send: ASGISendCallable, error: ModelyardError) -> None:
    body = error_body(error)
    headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body)), *error_headers(error)]
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _unavailable(error: BaseException) -> ControlUnavailableError:
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout | OSError):
        return ControlUnavailableError(
            "the control process does not answer; models are served all the same",
            hint="Send it again after the time in Retry-After; `modelyard status` shows what runs.",
        )
    return ControlUnavailableError(
        f"the control process ended in the middle of this request ({type(error).__name__})",
        hint="It may have been carried out: look before you send it again, or send it with an Idempotency-Key.",
    )
