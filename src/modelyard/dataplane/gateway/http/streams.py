"""WebSocket: a connection on which each message is a request, answered as soon as its answer is known.

The handshake is an HTTP request like any other, admitted by its token; then uvicorn's WebSocket protocol takes the
connection over. Messages are JSON objects; an answer or an error carries the `id` of its request.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
import orjson
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from modelyard.dataplane.errors import NotAcceptableError
from modelyard.dataplane.gateway.access import PROJECT_HEADER
from modelyard.dataplane.gateway.awaited import Asked, in_order_of_completion, infer
from modelyard.dataplane.gateway.dialect import Operation
from modelyard.dataplane.gateway.http.exchange import Exchange
from modelyard.dataplane.gateway.http.responses import JSON, error_body
from modelyard.dataplane.gateway.inference import Answer, Inference
from modelyard.errors import InternalError, ModelyardError

_logger = logging.getLogger(__name__)


class _Head(msgspec.Struct):
    """What is read of a message that failed."""

    id: Any = None


_heads = msgspec.json.Decoder(_Head)


def is_handshake(exchange: Exchange) -> bool:
    """True if this request, which was admitted, asks to become a stream."""
    target, upgrade = exchange.target, exchange.fields.get(b"upgrade", b"")
    is_stream = target is not None and target.operation is Operation.STREAM and exchange.error is None
    return is_stream and upgrade.strip().lower() == b"websocket"


def stream_protocol(
    inference: Inference, exchange: Exchange, config: Config, state: ServerState, app_state: dict[str, Any]
) -> WebSocketsSansIOProtocol:
    """What takes over the connection of `exchange`."""
    protocol = WebSocketsSansIOProtocol(config, state, app_state)
    protocol.app = _Stream(inference, exchange)
    return protocol


class _Stream:
    """The ASGI application of one connection."""

    def __init__(self, inference: Inference, exchange: Exchange) -> None:
        assert exchange.target is not None and exchange.caller is not None and exchange.dialect is not None  # noqa: S101, PT018
        self._inference = inference
        self._holder = exchange.caller
        self._target = exchange.target
        self._dialect = exchange.dialect
        self._project = exchange.fields.get(PROJECT_HEADER)
        self._traceparent = exchange.traceparent
        self._fields = {b"content-type": JSON}

    async def __call__(self, _scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """See ASGI."""
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        async with aclosing(in_order_of_completion(_messages(receive), self._answers)) as replies:
            async for reply in replies:
                await send({"type": "websocket.send", "bytes": None, "text": reply})

    async def _answers(self, message: bytes) -> AsyncGenerator[str, None]:
        yield await self._answer(message)

    async def _answer(self, message: bytes) -> str:
        target = self._target
        asked = Asked(self._holder, self._project, target.endpoint, target.version, len(message), self._traceparent)
        try:
            return _text(
                await infer(
                    self._inference, asked, lambda signature: self._dialect.parse(message, self._fields, signature)
                )
            )
        except ModelyardError as error:
            return self._error(message, error)
        except Exception:
            _logger.exception("a message of a stream could not be handled")
            return self._error(message, InternalError("the gateway failed on this request", hint="See its log."))

    def _error(self, message: bytes, error: ModelyardError) -> str:
        try:
            request_id = _heads.decode(message).id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            request_id = None
        body = error_body(error, self._dialect.error_fields(error))
        return orjson.dumps({"id": request_id, **orjson.loads(body)}).decode()


def _text(answer: Answer) -> str:
    if answer.reply.content_type != JSON:
        raise NotAcceptableError("a stream carries JSON only", hint="Do not ask for binary outputs.")
    return answer.reply.body.decode()


async def _messages(receive: ASGIReceiveCallable) -> AsyncIterator[bytes]:
    """What the client sends until it leaves."""
    while True:
        event = await receive()
        if event["type"] != "websocket.receive":
            return
        text = event.get("text")
        yield text.encode() if text is not None else event.get("bytes") or b""
