"""Endpoints without a replica: requests are held, control is told at once, and the figures that scaling goes by."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest

from modelyard.testing.scripted_model import client, infer, start_scripted, value_of
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.planning import DemandTable, VariantDemand
from modelyard.types.routing import RouteEndpoint

HELD = 20


@pytest.fixture
def serving(tmp_path: Path, start: Callable[..., Serving]) -> Serving:
    """A gateway with an endpoint that has scaled to zero, and the worker that could serve it."""
    return start(wake_seconds=1.5, max_queue=HELD)


def demand_of(serving: Serving) -> VariantDemand | None:
    path = serving.demand / "gateway"
    table = msgspec.json.decode(path.read_bytes(), type=DemandTable) if path.exists() else DemandTable(written_at=0)
    return table.variants[0] if table.variants else None


def until(serving: Serving, condition: Callable[[VariantDemand], object]) -> VariantDemand:
    deadline = time.monotonic() + 20
    while (found := demand_of(serving)) is None or not condition(found):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def idle(serving: Serving) -> tuple[RouteEndpoint, RouteEndpoint]:
    """The endpoint without and with its worker."""
    full = variant(start_scripted(serving, "echo-1"))
    none = replace(full, replicas=())
    return tuple(replace(endpoint("echo", each), is_on_demand=True) for each in (none, full))  # type: ignore[return-value]


def test_requests_to_an_idle_endpoint_are_held_told_and_answered(serving: Serving):
    without, with_worker = idle(serving)
    serving.publish(without)
    with client(serving) as http, ThreadPoolExecutor(5) as threads:
        assert http.get("/v2/models/echo/ready").status_code == httpx.codes.OK
        assert demand_of(serving) is None or demand_of(serving).waiting == 0
        started = time.monotonic()
        answers = [threads.submit(infer, http, value) for value in range(5)]
        told = until(serving, lambda demand: demand.waiting)
        assert time.monotonic() - started < 1.0, "long before the next regular report"
        assert (told.ready_replicas, told.endpoint, told.variant, told.model) == (0, "echo", "main", "model")
        serving.publish(with_worker)
        assert [value_of(answer.result()) for answer in answers] == [0, 1, 2, 3, 4]
    assert until(serving, lambda demand: not demand.waiting and demand.ready_replicas == 1).last_request_at is not None


def test_held_requests_that_nobody_answers_get_503_with_retry_after(serving: Serving):
    without, _ = idle(serving)
    serving.publish(without)
    with client(serving) as http:
        started = time.monotonic()
        answer = infer(http, 1)
        took = time.monotonic() - started
    assert (answer.status_code, answer.json()["code"]) == (503, "endpoint_not_ready")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "it comes back from zero replicas" in answer.json()["message"]
    assert 1.4 < took < 4


def test_a_request_with_less_time_than_a_start_takes_gets_503_too(serving: Serving):
    without, _ = idle(serving)
    serving.publish(without)
    body = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 0, 0]}],
        "parameters": {"timeout": 300_000},
    }
    with client(serving) as http:
        answer = http.post("/v2/models/echo/infer", json=body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_held_requests_go_to_the_version_that_follows(serving: Serving):
    without, with_worker = idle(serving)
    serving.publish(without)
    with client(serving) as http, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(infer, http, 7)
        until(serving, lambda demand: demand.waiting)
        newer = replace(with_worker.variants[0], number=2)
        serving.publish(replace(with_worker, variants=(newer,)))
        assert (value_of(answer.result()), answer.result().headers["X-Modelyard-Model"]) == (7, "model:2")


def test_held_requests_end_when_the_endpoint_is_stopped(serving: Serving):
    without, _ = idle(serving)
    serving.publish(without)
    with client(serving) as http, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(infer, http, 7)
        until(serving, lambda demand: demand.waiting)
        started = time.monotonic()
        serving.publish(endpoint("echo", is_stopped=True))
        assert answer.result().status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert time.monotonic() - started < 1.0
        assert infer(http, 7).status_code == httpx.codes.CONFLICT


def test_no_more_requests_are_held_than_the_queue_takes(serving: Serving):
    without, _ = idle(serving)
    serving.publish(without)
    with client(serving) as http, ThreadPoolExecutor(HELD + 10) as threads:
        answers = [threads.submit(infer, http, 1) for _ in range(HELD + 10)]
        codes = [answer.result().status_code for answer in answers]
    assert (codes.count(429), codes.count(503)) == (10, HELD)


def test_the_figures_tell_arrivals_rows_and_how_long_batches_took(serving: Serving):
    _, with_worker = idle(serving)
    serving.publish(with_worker)
    with client(serving) as http:
        for _ in range(20):
            infer(http, 1, seconds=0.02).raise_for_status()
    found = until(serving, lambda demand: demand.curve and demand.curve[0].batches == sum(demand.arrivals) == 20)
    (point,) = found.curve
    assert (point.rows, found.rows_per_request) == (1, 1)
    assert 0.02 <= point.quantiles_seconds[0] <= point.mean_seconds < 0.1
