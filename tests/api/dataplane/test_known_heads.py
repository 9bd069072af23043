"""A head that is known is asked again as soon as it may mean something else."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from modelyard.testing.raw_http import RawClient, request
from modelyard.testing.scripted_model import body, start_scripted
from modelyard.testing.serving import TOKEN, Serving, WorkerProcess, endpoint, token, variant

PATIENCE_SECONDS = 60.0
PAYLOAD = request(body(1), secret="own", path="/v2/models/echo/infer")


@pytest.fixture(scope="module")
def own_worker(serving: Serving) -> WorkerProcess:
    return start_scripted(serving, "own")


@pytest.fixture
def raw(serving: Serving, own_worker: WorkerProcess) -> Iterator[RawClient]:
    """A connection on which the gateway knows the head of PAYLOAD and what it comes to."""
    serving.publish(endpoint("echo", variant(own_worker)), tokens=(token("own", "own"),))
    with RawClient(serving.port) as connection:
        assert [status(connection) for _ in range(4)] == [200] * 4
        yield connection


def status(connection: RawClient) -> int:
    connection.send(PAYLOAD)
    return connection.answer().status


def test_a_token_that_was_revoked_is_refused_on_a_connection_that_knows_it(serving: Serving, own_worker, raw):
    serving.publish(endpoint("echo", variant(own_worker)))
    assert status(raw) == 401


def test_a_token_whose_time_is_over_is_refused_on_a_connection_that_knows_it(serving: Serving, own_worker, raw):
    ending = replace(token("own", "own"), expires_at=datetime.now(UTC) + timedelta(seconds=3))
    serving.publish(endpoint("echo", variant(own_worker)), tokens=(ending,))
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen = [status(raw)]
    while seen[-1] == 200 and time.monotonic() < deadline:
        seen.append(status(raw))
    assert seen[-1] == 401
    assert datetime.now(UTC) >= ending.expires_at


def test_an_endpoint_that_is_gone_is_not_found_and_one_that_is_back_answers(serving: Serving, own_worker, raw):
    serving.publish(tokens=(token("own", "own"),))
    assert [status(raw) for _ in range(2)] == [404] * 2
    serving.publish(endpoint("echo", variant(own_worker)), tokens=(token("own", "own"),))
    assert [status(raw) for _ in range(3)] == [200] * 3


def test_calls_with_a_known_head_count_for_the_rate_of_their_token(serving: Serving, own_worker, raw):
    serving.publish(endpoint("echo", variant(own_worker)), tokens=(token("own", "own", requests_per_second=2.0),))
    assert 429 in [status(raw) for _ in range(50)]


def test_what_is_refused_or_needs_no_token_is_answered_alike_however_often_it_comes(serving: Serving):
    asked = {
        request(body(1), secret=TOKEN, path="/v2/models/echo/infr"): 404,
        request(body(1), secret=TOKEN, path="/v2/models/echo/infer", method="PUT"): 405,
        request(b"", secret="", path="/v2/health/live", method="GET"): 200,
    }
    with RawClient(serving.port) as connection:
        for payload, expected in asked.items():
            for _ in range(3):
                connection.send(payload)
                assert connection.answer().status == expected
