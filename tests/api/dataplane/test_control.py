"""Everything that is not inference passes through to control, streamed; inference does not need control."""

import asyncio
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from modelyard.testing.raw_http import RawClient
from modelyard.testing.scripted_model import client, infer, value_of
from modelyard.testing.serving import Serving

PIECE = b"0123456789abcdef" * 4096


class Control:
    """An ASGI application that stands in for control and notes what reached it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.disconnected = threading.Event()

    async def __call__(self, scope, receive, send) -> None:
        self.seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await getattr(self, scope["path"].rpartition("/")[2])(scope, receive, send)

    async def digest(self, scope, receive, send) -> None:
        """SHA-256 of the body, read piece by piece."""
        digest, is_more = hashlib.sha256(), True
        while is_more:
            message = await receive()
            digest.update(message.get("body", b""))
            is_more = message.get("more_body", False)
        query = scope["query_string"]
        await self._answer(send, digest.hexdigest().encode() + query, (b"x-method", scope["method"].encode()))

    async def large(self, scope, receive, send) -> None:
        """64 MB without a length."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"keep-alive", b"5"), (b"x-kept", b"1")]}
        )
        for _ in range(1024):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def follow(self, scope, receive, send) -> None:
        """A line, and then nothing until the client leaves."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        self.disconnected.set()

    async def breaks(self, scope, receive, send) -> None:
        """Half an answer."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.sleep(0.05)
        raise ConnectionAbortedError

    async def refuses(self, scope, receive, send) -> None:
        """An answer before the body was read."""
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"no!"})

    async def _answer(self, send, body: bytes, *headers: tuple[bytes, bytes]) -> None:
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length, *headers]})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def control(serving: Serving) -> Iterator[Control]:
    application = Control()
    config = uvicorn.Config(
        application, uds=str(serving.control_socket), log_config=None, lifespan="off", loop="asyncio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield application
    server.force_exit = server.should_exit = True
    thread.join()


def test_bodies_pass_through_in_pieces_in_both_directions(serving: Serving, control: Control):
    def pieces() -> Iterator[bytes]:
        for _ in range(1024):
            yield PIECE

    expected = hashlib.sha256(PIECE * 1024).hexdigest()
    with client(serving) as http:
        assert http.post("/registry/v1/digest?a=1&b=%2F", content=pieces()).text == expected + "a=1&b=%2F"
        assert http.put("/registry/v1/digest", content=PIECE * 1024).text == expected
        with http.stream("GET", "/registry/v1/large") as answer:
            digest, size = hashlib.sha256(), 0
            for piece in answer.iter_bytes():
                digest.update(piece)
                size += len(piece)
    assert (digest.hexdigest(), size) == (expected, 64 << 20)
    assert "keep-alive" not in answer.headers
    assert answer.headers["x-kept"] == "1"
    status = Path(f"/proc/{gateway_pid(serving)}/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    assert int(rss.split()[1]) < 200_000  # kB: 64 MB in each direction were never held


def test_what_is_for_one_connection_only_is_not_passed_on(serving: Serving, control: Control):
    headers = {
        "Connection": "keep-alive, X-Private",
        "X-Private": "1",
        "X-Public": "2",
        "TE": "trailers",
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
    }
    with client(serving) as http:
        http.get("/registry/v1/digest", headers=headers)
    seen = control.seen[-1]
    assert seen["x-public"] == "2"
    assert seen["authorization"].startswith("Bearer")
    assert {"x-private", "te", "connection", "keep-alive"}.isdisjoint(seen)
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert seen["x-forwarded-host"] == seen["host"] == f"127.0.0.1:{serving.port}"


def test_head_is_head_there_too(serving: Serving, control: Control):
    with client(serving) as http:
        answer = http.head("/registry/v1/digest")
        assert (answer.headers["content-length"], answer.content) == ("64", b"")
        assert http.get("/registry/v1/digest").headers["x-method"] == "GET"


def test_a_stream_reaches_the_client_at_once_and_ends_when_the_client_leaves(serving: Serving, control: Control):
    with client(serving) as http, http.stream("GET", "/jobs/v1/follow") as answer:
        assert next(answer.iter_lines()) == "first"
    assert control.disconnected.wait(10)


def test_an_answer_that_breaks_off_is_not_passed_off_as_whole(serving: Serving, control: Control):
    with client(serving) as http, pytest.raises(httpx.RemoteProtocolError):
        http.get("/registry/v1/breaks")


def test_an_early_refusal_reaches_the_client(serving: Serving, control: Control):
    with client(serving) as http:
        answer = http.post("/registry/v1/refuses", content=b"x" * 100_000)
    assert (answer.status_code, answer.content) == (413, b"no!")


def test_a_request_is_passed_on_once_though_another_is_answered_behind_it(serving: Serving, control: Control):
    first = b"POST /registry/digest HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n"
    live = b"GET /v2/health/live HTTP/1.1\r\nHost: here\r\n\r\n"
    with RawClient(serving.port) as raw:
        raw.send(first + b"bytes" + live + live)
        answers = [raw.answer() for _ in range(3)]
        raw.send(live)
        assert raw.answer().status == 200
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[0].body == hashlib.sha256(b"bytes").hexdigest().encode()
    assert len(control.seen) == 1


def test_without_control_models_answer_and_the_rest_says_when_to_come_back(serving: Serving):
    with client(serving) as http:
        for method in ("GET", "POST"):
            refused = http.request(method, "/registry/v1/projects", content=b"{}" if method == "POST" else None)
            assert (refused.status_code, refused.json()["code"]) == (503, "control_unavailable")
            assert refused.headers["retry-after"] == "1"
        assert value_of(infer(http, 5)) == 5


def test_control_that_dies_in_the_middle_of_a_request_is_reported(serving: Serving):
    with socket.socket(socket.AF_UNIX) as listener:
        serving.control_socket.unlink(missing_ok=True)
        listener.bind(str(serving.control_socket))
        listener.listen()

        def accept_and_drop() -> None:
            for _ in range(2):  # a GET is repeated once: the first connection may have been a stale one
                connection, _ = listener.accept()
                connection.recv(100)
                connection.close()

        thread = threading.Thread(target=accept_and_drop)
        thread.start()
        with client(serving) as http:
            refused = http.get("/registry/v1/projects")
        thread.join()
    serving.control_socket.unlink()
    assert (refused.status_code, refused.json()["code"]) == (503, "control_unavailable")
    assert "middle" in refused.json()["message"]


def test_a_client_that_stops_sending_to_control_is_cut_off(serving: Serving, control: Control):
    with RawClient(serving.port) as raw:
        raw.send(b"PUT /registry/v1/digest HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf")
        assert raw.is_closed()


def gateway_pid(serving: Serving) -> int:
    return serving._processes[1].pid
