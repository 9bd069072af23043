"""A server on a Unix socket that stands where MLflow's would, and takes note of what it is asked."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from modelyard.types.experiments.tracking import TrackingServerState, TrackingStatus

Answer = Callable[[str, Any], Any]


class Standing:
    """Fulfils control.experiments.contracts.TrackingServer. `status` is what it says of itself."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.status = TrackingStatus.RUNNING
        self.demands = 0
        self.requests: list[dict[str, Any]] = []
        self.answer: Answer = lambda _path, _body: {}
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=[Route("/{path:path}", self._take, methods=["GET", "POST", "PUT", "DELETE"])]),
                uds=str(socket),
                log_level="error",
                lifespan="off",
            )
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def state(self) -> TrackingServerState:
        return TrackingServerState(status=self.status, message=f"it is {self.status}")

    @contextmanager
    def demand(self) -> Iterator[None]:
        self.demands += 1
        yield

    async def _take(self, request: Request) -> JSONResponse:
        content = await request.body()
        body = await request.json() if content.startswith(b"{") else content.decode()
        self.requests.append(
            {"path": request.url.path, "query": request.url.query, "headers": dict(request.headers), "body": body}
        )
        found = self.answer(request.url.path, body)
        return found if isinstance(found, JSONResponse) else JSONResponse(found)


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Standing]:
    server = Standing(tmp_path / "s.sock")
    server.start()
    yield server
    server.stop()
