"""HTTP: the gateway's own protocol class on a transport that keeps what is written."""

import asyncio
import json
from functools import cache
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from modelyard.dataplane.captures import WireCapture
from modelyard.dataplane.gateway.config import Limits
from modelyard.dataplane.gateway.http.protocol import GatewayProtocol
from modelyard.dataplane.gateway.http.service import InferenceService
from modelyard.protocols.invocations.dialect import Invocations
from modelyard.protocols.open_inference.rest import OpenInferenceRest
from modelyard.testing import echo_model
from modelyard.testing.serving import TOKEN, endpoint, token
from modelyard.types.routing import RouteVariant, RoutingTable

_NOT_READY = "endpoint_not_ready"  # there is no worker: what is right in every other way is refused so
_WRITING_TURNS, _TURNS = 3, 8
_MOST_PIECES = 64


def http(data: bytes) -> None:
    """What one client sends: the answers are whole, none blames the server, and do not depend on how it was cut."""
    if not data:
        return
    whole = _answers([data[1:]])
    step = max(data[0] + 1, len(data) // _MOST_PIECES)
    pieces = [data[start : start + step] for start in range(1, len(data), step)]
    assert _answers(pieces) == whole, f"cut into {step} bytes it was answered otherwise"  # noqa: S101


def _answers(pieces: list[bytes]) -> list[tuple[int, str]]:
    """Status and error code of each answer to a stream that comes in pieces."""
    return asyncio.run(_talk(pieces))


async def _talk(pieces: list[bytes]) -> list[tuple[int, str]]:
    service = InferenceService((OpenInferenceRest(), Invocations()), Limits(), _NoSpool())  # type: ignore[arg-type]
    variant = RouteVariant(
        name="main", model="echo", number=1, weight=1.0, signature=echo_model.SIGNATURE, replicas=(), is_pure=True
    )
    service.follow(RoutingTable(generation=1, endpoints=(endpoint("echo", variant),), tokens=(token("t", TOKEN),)))
    transport = _Transport()
    state = ServerState()
    protocol = GatewayProtocol(service, _config(), state, {})
    protocol.connection_made(transport)
    for piece in pieces:
        if transport.is_closing():
            break
        protocol.data_received(piece)
        await _let_applications_run(state)
    await _let_applications_run(state)
    written = bytes(transport.written)
    protocol.connection_lost(None)
    return _split(written)


@cache
def _config() -> uvicorn.Config:
    config = uvicorn.Config(
        _control,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    return config


async def _control(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the control plane: takes the body, answers 200."""
    del scope
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def _let_applications_run(state: ServerState) -> None:
    """A few turns of the loop in any case: answers are written at the end of one."""
    turns = 0
    while turns < _WRITING_TURNS or (state.tasks and turns < _TURNS):
        turns += 1
        await asyncio.sleep(0)


def _split(written: bytes) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    while written:
        head, end, written = written.partition(b"\r\n\r\n")
        assert end, f"an answer's head is not whole: {head!r}"  # noqa: S101
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"  # noqa: S101
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", "0"))
        is_json = headers.get("content-type") == "application/json"
        is_head_only = len(written) < size or (size and written.startswith(b"HTTP/1.1 "))  # the answer to HEAD
        body, written = (b"", written) if is_head_only else (written[:size], written[size:])
        content = json.loads(body) if is_json and body else {}
        found.append((int(status), str(content.get("code", "")) if isinstance(content, dict) else ""))
    for number, code in found:
        assert number in (100, 200) or 400 <= number < 500 or code == _NOT_READY, (number, code)  # noqa: S101, PLR2004
    return found


class _Transport(asyncio.Transport):
    """A socket without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self._is_closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 5000), "sockname": ("192.0.2.2", 80)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            self.written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._is_closing = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _NoSpool:
    """Keeps no captures."""

    written = dropped = 0

    def append(self, record: WireCapture) -> None:
        pass

    def flush(self) -> None:
        pass
