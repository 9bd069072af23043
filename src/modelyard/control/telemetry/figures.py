"""Figures of the control process in Prometheus' text form."""

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Collector(Protocol):
    """Makes families when somebody asks. Safe from any thread."""

    def collect(self) -> Iterable[Metric]:
        """The families as they are now."""


class ControlFigures:
    """Counts what this process does. Safe from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "modelyard_control_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "modelyard_control_request_seconds",
            "From a request to the end of its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._rounds = Counter(
            "modelyard_control_duty_rounds",
            "Rounds of recurring work, by how they ended.",
            ("duty", "outcome"),
            registry=self.registry,
        )
        self._round_seconds = Counter(
            "modelyard_control_duty_seconds", "Time in recurring work.", ("duty",), registry=self.registry
        )
        self._last_success = Gauge(
            "modelyard_control_duty_last_success_seconds",
            "When recurring work last ended well, in seconds since 1970.",
            ("duty",),
            registry=self.registry,
        )

    def add(self, collector: Collector) -> None:
        """Show the families of `collector` too."""
        self.registry.register(collector)

    def request_done(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def round_done(self, duty: str, seconds: float, *, is_good: bool) -> None:
        """A round of recurring work has ended."""
        self._rounds.labels(duty, "done" if is_good else "failed").inc()
        self._round_seconds.labels(duty).inc(seconds)
        if is_good:
            self._last_success.labels(duty).set_to_current_time()

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)


class FiguresMiddleware:
    """Counts every request under its route, so that names in paths make no series."""

    def __init__(self, app: ASGIApp, figures: ControlFigures, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._figures = figures
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = self._clock(), 500

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            # A mounted application has put its own route, and where it is mounted, into the same scope.
            path = getattr(scope.get("route"), "path", None)
            route = "none" if path is None else f"{scope.get('root_path', '')}{path}"
            self._figures.request_done(scope["method"], route, status, self._clock() - started)
