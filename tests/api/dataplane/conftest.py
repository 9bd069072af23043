"""A gateway with scripted workers, and a client of raw bytes."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from modelyard.dataplane.gateway.config import Limits
from modelyard.testing.serving import TOKEN, Serving, WorkerProcess, endpoint, variant

SCRIPT = str(Path(__file__).with_name("scripted_worker.py"))
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One gateway for a module's tests, with one worker behind endpoint "echo"; limits small enough to reach."""
    limits = Limits(
        max_request_bytes=1 << 20, header_seconds=1.0, receive_seconds=2.0, idle_seconds=30.0, hold_seconds=0.5
    )
    with Serving(tmp_path_factory.mktemp("gateway"), limits) as serving:
        worker = start_scripted(serving, "echo-1")
        serving.start_gateway()
        serving.publish(endpoint("echo", variant(worker)))
        yield serving


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """A gateway of the test's own, with the limits that it asks for."""
    started: list[Serving] = []

    def start_gateway(**limits: float) -> Serving:
        serving = Serving(tmp_path, Limits(**limits))
        started.append(serving)
        serving.start_gateway()
        return serving

    yield start_gateway
    for serving in started:
        serving.close()


def start_scripted(serving: Serving, name: str, *options: str) -> WorkerProcess:
    return serving.start_worker(name, command=[SCRIPT, *options])


def body(value: float, seconds: float = 0.0, act: float = 0.0, rows: int = 1) -> bytes:
    data = [value, seconds, act] * rows
    return json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 3], "data": data}]}).encode()


def client(serving: Serving, **options: object) -> httpx.Client:
    return httpx.Client(base_url=serving.url, headers=AUTHORIZATION, timeout=30.0, **options)


def infer(
    http: httpx.Client, value: float, seconds: float = 0.0, act: float = 0.0, name: str = "echo"
) -> httpx.Response:
    return http.post(f"/v2/models/{name}/infer", content=body(value, seconds, act))


def value_of(response: httpx.Response) -> float:
    assert response.status_code == 200, response.text
    return float(response.json()["outputs"][0]["data"][0])


def request(payload: bytes, *headers: str, method: str = "POST", path: str = "/v2/models/echo/infer") -> bytes:
    """The bytes of a plain request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here", f"Authorization: Bearer {TOKEN}", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
        lines.append(f"Content-Length: {len(payload)}")
    return "\r\n".join([*lines, "", ""]).encode() + payload


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> float:
        return float(json.loads(self.body)["outputs"][0]["data"][0])

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


class RawClient:
    """A socket, and just enough HTTP to cut what comes into answers."""

    def __init__(self, serving: Serving, timeout_seconds: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", serving.port), timeout_seconds)
        self._held = b""

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, is_head: bool = False) -> Answer:
        while b"\r\n\r\n" not in self._held:
            self._more()
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        status_line, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(status_line.split()[1])
        size = 0 if is_head or status < 200 else int(headers.get("content-length", 0))
        while len(self._held) < size:
            self._more()
        content, self._held = self._held[:size], self._held[size:]
        return Answer(status, headers, content)

    def is_closed(self) -> bool:
        """True if the server ends the connection and has sent nothing more."""
        try:
            return self._held == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError(f"closed after {self._held!r}")
        self._held += data


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False
