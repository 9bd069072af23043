"""What gateways have answered comes into the ledger once, whatever ends when."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from modelyard.control.jobs.metering import JobSubjects
from modelyard.control.metering.assembly import Metering, assemble
from modelyard.control.metering.traffic import TrafficMeter
from modelyard.kit.clock import SystemClock
from modelyard.storage.database import Database
from modelyard.testing.scripted_model import AUTHORIZATION, client, infer, start_scripted
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.testing.streaming_model import Script, start_streaming
from modelyard.types.compute.costs import Cost, CostGroup


class NoEngine:
    name = "none"
    has_nodes = False


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path) as serving:
        yield serving


@pytest.fixture
def metering(tmp_path: Path) -> Iterator[Metering]:
    database = Database(f"sqlite:///{tmp_path / 'metering.db'}")
    database.upgrade("common")
    yield assemble(
        database=database,
        engine=NoEngine(),  # type: ignore[arg-type] # nothing runs on it
        clock=SystemClock(),
        subjects=JobSubjects(tuple),
        kinds=("endpoint",),
    )
    database.close()


def metered(metering: Metering, by: CostGroup = CostGroup.ENDPOINT) -> dict[str, Cost]:
    return {each.name: each for each in metering.costs.costs(None, by, None, None)}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_answer_is_counted_once_over_restarts_of_both_sides(serving: Serving, metering: Metering, tmp_path: Path):
    folder = tmp_path / "traffic"
    echo = endpoint("echo", variant(start_scripted(serving, "echo-1")))
    gateway = serving.start_gateway(traffic=str(folder))
    serving.publish(echo)
    with client(serving) as http:
        answers = [infer(http, value) for value in range(5)]
        refused = http.post("/v2/models/echo/infer", json={"inputs": []})
    assert refused.is_client_error
    taken = sum(int(answer.request.headers["content-length"]) for answer in answers)
    given = sum(len(answer.content) for answer in answers)
    meter = TrafficMeter(folder, metering.ledger)

    def is_known(predictions: int) -> bool:
        meter.look()
        return "echo" in metered(metering) and metered(metering)["echo"].predictions >= predictions

    until(lambda: is_known(5))
    for again in (meter, TrafficMeter(folder, metering.ledger)):
        again.look()
    found = metered(metering)["echo"]
    assert (found.predictions, found.bytes_in, found.bytes_out) == (5, taken, given)
    assert found.cost_per_thousand == pytest.approx(found.cost / 5 * 1000)
    assert metered(metering, CostGroup.VERSION)["model:1"].predictions == 5

    with client(serving) as http:
        infer(http, 1)
    until(lambda: b'"predictions":6' in next(folder.glob("[!.]*")).read_bytes())
    gateway.send_signal(signal.SIGKILL)
    gateway.wait()
    meter.look()
    assert not list(folder.glob("[!.]*")), "its last word is written down"
    serving.start_gateway(traffic=str(folder))
    serving.publish(echo)
    with client(serving) as http:
        infer(http, 1)
    until(lambda: is_known(7))
    assert metered(metering)["echo"].predictions == 7


def test_an_answer_in_parts_is_one_prediction_with_all_of_its_bytes(
    serving: Serving, metering: Metering, tmp_path: Path
):
    writer = start_streaming(serving, "steady")
    serving.start_gateway(traffic=str(tmp_path / "traffic"))
    serving.publish(endpoint("writer", variant(writer)))
    body = {"model": "writer", "prompt": Script(name="a").prompt(), "stream": True}
    answer = httpx.post(f"{serving.url}/v1/completions", json=body, headers=AUTHORIZATION, timeout=30)
    meter = TrafficMeter(tmp_path / "traffic", metering.ledger)

    def is_known() -> bool:
        meter.look()
        return "writer" in metered(metering)

    until(is_known)
    found = metered(metering)["writer"]
    assert (found.predictions, found.bytes_out) == (1, len(answer.content))
    assert found.bytes_in == int(answer.request.headers["content-length"])
