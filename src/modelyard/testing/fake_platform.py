"""A platform made of prepared answers, on a real port: for tests of programs that use the client."""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back. `break_after` ends the connection after that many bytes of the body (0: no answer at all)."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    break_after: int | None = None


Script = Answer | Callable[[SentRequest], Answer]


class FakePlatform:
    """Answers each (method, path) with what was prepared: in order, the last one again and again.

    Use as a context manager; `requests` holds all that arrived.
    """

    def __init__(self) -> None:
        self.requests: list[SentRequest] = []
        self._scripts: dict[tuple[str, str], deque[Script]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def prepare(self, method: str, path: str, *scripts: Script) -> None:
        """Say how requests for a path (decoded, without query) are answered from now on."""
        self._scripts[method, path] = deque(scripts)

    def sent(self, method: str, path: str) -> list[SentRequest]:
        """What arrived for a path."""
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: SentRequest) -> Answer:
        self.requests.append(request)
        scripts = self._scripts.get((request.method, request.path))
        if not scripts:
            body = {"code": "not_found", "message": f"nothing prepared for {request.method} {request.path}"}
            return Answer(status=404, body=body)
        script = scripts.popleft() if len(scripts) > 1 else scripts[0]
        return script if isinstance(script, Answer) else script(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                request = SentRequest(
                    method=self.command,
                    path=unquote(parts.path),
                    query={name: values[0] for name, values in parse_qs(parts.query).items()},
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(int(self.headers.get("content-length", 0))),
                )
                answer = platform._answer(request)
                self._write(answer)

            def _write(self, answer: Answer) -> None:
                body = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
                if answer.break_after == 0:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[: answer.break_after])
                self.close_connection = answer.break_after is not None

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class's names

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: tests look at `requests`."""

        return Handler
