"""Figures of control: requests by route, recurring work, workers and the spool."""

import os
import time

from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient

from modelyard.control.rest.application import create_application
from modelyard.control.telemetry.collectors import SpoolFigures, WorkerFigures
from modelyard.control.telemetry.figures import ControlFigures, FiguresMiddleware
from modelyard.server.duties import Duties, Duty
from modelyard.types.endpoints import Replica, ReplicaStatus


class NoAudit:
    def record(self, entry: object) -> None:
        raise AssertionError("reading is not audited")


def samples(figures: ControlFigures) -> dict[tuple, float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(figures.render().decode())
        for sample in family.samples
    }


def test_requests_are_counted_under_their_routes():
    figures = ControlFigures()
    inner = create_application(title="T", description="", routers=[], audit=NoAudit(), version="1")

    @inner.get("/things/{name}", summary="x")
    def get_thing(name: str) -> PlainTextResponse:
        return PlainTextResponse(name)

    app = FiguresMiddleware(Starlette(routes=[Mount("/registry/v1", inner)]), figures)
    client = TestClient(app)
    for name in ("a", "b", "c"):
        assert client.get(f"/registry/v1/things/{name}").status_code == 200
    client.get("/registry/v1/nothing")
    counted = {key: value for key, value in samples(figures).items() if key[0] == "modelyard_control_requests_total"}
    routes = {dict(key[1:])["route"]: value for key, value in counted.items()}
    assert routes["/registry/v1/things/{name}"] == 3
    assert "c" not in str(routes)


def test_rounds_of_duties_are_counted_by_how_they_ended():
    figures = ControlFigures()
    done = Duty(name="good", interval_seconds=0.01, run=lambda: None)

    def fail() -> None:
        raise ValueError("no")

    failing = Duty(name="bad", interval_seconds=0.01, run=fail)
    duties = Duties([done, failing], lambda name, seconds, is_good: figures.round_done(name, seconds, is_good=is_good))
    duties.start()
    key = ("modelyard_control_duty_rounds_total", ("duty", "bad"), ("outcome", "failed"))
    deadline = time.monotonic() + 10
    while key not in samples(figures) and time.monotonic() < deadline:
        time.sleep(0.01)
    duties.stop()
    found = samples(figures)
    assert found[key] >= 1
    assert found["modelyard_control_duty_rounds_total", ("duty", "good"), ("outcome", "done")] >= 1


def test_workers_and_the_spool_are_measured_when_asked(tmp_path):
    (tmp_path / "seg-1-5.capture").write_bytes(b"x" * 100)
    replica = Replica(
        id="r-1", variant="main", status=ReplicaStatus.READY, process="r-1", pid=os.getpid(), sandbox=None, reason="",
        started_at=None,
    )  # fmt: skip
    figures = ControlFigures()
    figures.add(WorkerFigures(lambda: [("default", "digits", replica)]))
    figures.add(SpoolFigures(tmp_path))
    found = samples(figures)
    labels = (("endpoint", "digits"), ("project", "default"), ("replica", "r-1"), ("variant", "main"))
    assert found["modelyard_worker_ready", *labels] == 1
    assert found["modelyard_worker_cpu_seconds_total", *labels] > 0
    assert found["modelyard_worker_resident_bytes", *labels] > 10_000_000
    assert (found["modelyard_spool_segments",], found["modelyard_spool_bytes",]) == (1, 100)
