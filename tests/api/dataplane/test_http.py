"""HTTP/1.1 as clients really send it, by raw sockets."""

import gzip
import json
import socket
import struct
import time
from contextlib import suppress

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.testing.raw_http import RawClient, request
from modelyard.testing.scripted_model import body, client, infer, start_scripted, value_of
from modelyard.testing.serving import TOKEN, Serving, endpoint, variant

INFER = "/v2/models/echo/infer"
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: here\r\n\r\n"


def post(payload: bytes, *headers: str, path: str = INFER) -> bytes:
    return request(payload, *headers, secret=TOKEN, path=path)


def chunked(payload: bytes, size: int = 7) -> bytes:
    parts = [payload[start : start + size] for start in range(0, len(payload), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.fixture
def raw(serving: Serving):
    with RawClient(serving.port) as connection:
        yield connection


def test_a_connection_serves_many_requests(raw):
    for value in range(5):
        raw.send(post(body(value)))
        assert raw.answer().value == value


def test_pipelined_requests_are_answered_in_their_order_whoever_answers_them(raw):
    control = b"GET /registry/v1/projects HTTP/1.1\r\nHost: here\r\n\r\n"
    raw.send(post(body(1, 0.2)) + LIVE + control + post(body(2)) + control + post(b"{}") + post(body(3)) + LIVE)
    statuses, values = [], []
    for _ in range(8):
        answer = raw.answer()
        statuses.append(answer.status)
        if b"outputs" in answer.body:
            values.append(answer.value)
    assert statuses == [200, 200, 503, 200, 503, 400, 200, 200]
    assert values == [1, 2, 3]


def test_a_thousand_pipelined_requests_come_back_in_order(raw):
    raw.send(b"".join(post(body(value)) for value in range(1000)))
    assert [raw.answer().value for _ in range(1000)] == list(range(1000))


def test_a_chunked_body_is_read_and_its_trailers_are_ignored(raw):
    trailers = chunked(body(4)).replace(b"0\r\n\r\n", b"0\r\nX-Trailer: yes\r\n\r\n")
    raw.send(post(chunked(body(3)), "Transfer-Encoding: chunked") + post(trailers, "Transfer-Encoding: chunked"))
    assert raw.answer().value == 3
    assert raw.answer().value == 4


def test_a_request_may_come_byte_by_byte(raw):
    for byte in post(body(5)):
        raw.send(bytes([byte]))
    assert raw.answer().value == 5


def test_expect_100_continue_is_told_to_go_on(raw):
    payload = body(6)
    raw.send(post(b"", "Expect: 100-continue", f"Content-Length: {len(payload)}"))
    assert raw.answer().status == 100
    raw.send(payload)
    assert raw.answer().value == 6


def test_a_hopeless_request_is_refused_before_its_body_is_sent(raw):
    raw.send(request(b"", "Expect: 100-continue", "Content-Length: 100", secret="wrong", path=INFER))
    answer = raw.answer()
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["connection"] == "close"
    assert raw.is_closed()


def test_head_answers_without_a_body(raw):
    raw.send(b"HEAD /v2/health/live HTTP/1.1\r\nHost: here\r\n\r\n" + LIVE)
    assert raw.answer(is_head=True).headers["content-length"] == "13"
    assert raw.answer().body == b'{"live":true}'


def test_a_client_that_closes_its_half_gets_its_answers(raw):
    raw.send(post(body(7, 0.1)) + post(body(8)))
    raw.socket.shutdown(socket.SHUT_WR)
    assert raw.answer().value == 7
    assert raw.answer().value == 8
    assert raw.is_closed()


def test_a_half_closed_request_that_is_not_whole_ends_the_connection(raw):
    raw.send(post(body(7)) + post(body(8))[:-5])
    raw.socket.shutdown(socket.SHUT_WR)
    assert raw.answer().value == 7
    assert raw.is_closed()


def test_connection_close_is_obeyed_and_what_follows_is_not_read(raw):
    raw.send(post(body(9), "Connection: close") + post(body(10)))
    answer = raw.answer()
    assert answer.value == 9
    assert answer.headers["connection"] == "close"
    assert raw.is_closed()


def test_http_1_0_gets_one_answer(raw):
    raw.send(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert raw.answer().status == 200
    assert raw.is_closed()


def test_a_wish_to_upgrade_is_ignored_and_the_body_is_a_body(raw):
    wish = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA")
    raw.send(post(body(11), *wish) + LIVE)
    assert raw.answer().value == 11
    assert raw.answer().status == 200
    message = post(chunked(body(12)), "Transfer-Encoding: chunked", *wish)
    raw.send(message[:-20])
    time.sleep(0.1)
    raw.send(message[-20:] + LIVE.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n") + LIVE)
    assert raw.answer().value == 12
    assert [raw.answer().status, raw.answer().status] == [200, 200]


def test_an_absolute_target_is_understood(raw):
    raw.send(post(body(12), path=f"http://here{INFER}"))
    assert raw.answer().value == 12


def test_a_body_may_be_compressed_and_no_bomb_goes_off(serving: Serving):
    with client(serving) as http:
        packed = {"Content-Encoding": "gzip"}
        assert value_of(http.post(INFER, content=gzip.compress(body(13)), headers=packed)) == 13
        bomb = http.post(INFER, content=gzip.compress(b" " * (64 << 20)), headers=packed)
        assert (bomb.status_code, bomb.json()["code"]) == (413, "too_large")
        damaged = http.post(INFER, content=gzip.compress(body(1))[:-9], headers=packed)
        assert (damaged.status_code, damaged.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "message",
    [
        post(b"0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"),
        post(b"x", "Content-Length: 1", "Content-Length: 2"),
        post(b"x", "Content-Length: 1", "Content-Length: 1"),
        post(b"x", "Content-Length: +1"),
        post(b"x", "Content-Length: 1, 1"),
        post(b"x", "Content-Length: 0x1"),
        post(b"x", "Content-Length: 99999999999999999999"),
        post(b"x", "Content-Length : 1"),
        post(b"0\r\n\r\n", "Transfer-Encoding: xchunked"),
        post(b"0\r\n\r\n", "Transfer-Encoding: gzip, chunked"),
        post(b"0\r\n\r\n", "Transfer-Encoding: chunked, identity"),
        post(b"0\r\n\r\n", "Transfer-Encoding:\x0bchunked"),
        post(b"0\r\n\r\n", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        post(b"0\r\n\r\n", "Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0"),
        post(b"-1\r\nx\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        post(b"1\nx\n0\n\n", "Transfer-Encoding: chunked"),
        post(b"1 \r\nxy\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        post(b"", "Folded: a\r\n b"),
        post(b"", "Null: a\0b"),
        post(b"", "Bad Name: a"),
        post(b"", "Authorization: Bearer other"),
        post(b"", "Host: elsewhere"),
        post(b"").replace(b"Host: here\r\n", b""),
        post(b"").replace(b"\r\n", b"\n"),
        b"GET /v2/health/live HTTP/9.9\r\nHost: here\r\n\r\n",
        b"CONNECT /v2 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_what_two_servers_could_read_differently_is_refused_once_and_the_connection_ends(raw, message: bytes):
    raw.send(message + post(body(66)))
    answer = raw.answer()
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert raw.is_closed()


@pytest.mark.parametrize(
    "headers",
    [["X-Long: " + "a" * 20000], [f"X-{number}: a" for number in range(200)], ["X-Part: " + "a" * 15000] * 99],
    ids=["long", "many", "both"],
)
def test_a_head_over_its_limit_is_refused(raw, headers: list[str]):
    raw.send(request(b"", *headers, secret=TOKEN, path=INFER))
    answer = raw.answer()
    assert (answer.status, answer.code) == (431, "headers_too_large")
    assert raw.is_closed()


def test_an_endless_head_is_refused(raw):
    raw.send(b"GET / HTTP/1.1\r\nHost: here\r\nX: ")
    for _ in range(20):
        raw.send(b"a" * 50_000)
    assert raw.answer().status == 431
    assert raw.is_closed()


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_a_body_over_the_limit_is_refused_and_the_client_can_read_why(raw, is_chunked: bool):
    huge = b" " * (3 << 20)
    message = post(chunked(huge, 1 << 16), "Transfer-Encoding: chunked") if is_chunked else post(huge)
    raw.send(message[: 2 << 20])
    answer = raw.answer()
    assert (answer.status, answer.code) == (413, "too_large")
    assert raw.is_closed()


def test_a_client_that_never_ends_its_head_is_cut_off(raw):
    started = time.monotonic()
    raw.send(b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: he")
    assert raw.answer().status == 408
    assert raw.is_closed()
    assert time.monotonic() - started < 5


def test_a_client_that_never_ends_its_body_is_cut_off(raw):
    raw.send(post(b"", "Content-Length: 100") + b"{")
    answer = raw.answer()
    assert (answer.status, answer.code) == (408, "request_timeout")
    assert raw.is_closed()


def test_a_client_that_does_not_read_is_not_served_on_and_loses_nothing(start):
    """Back-pressure: answers that nobody reads stop the reading of requests, so memory stays bounded."""
    serving = start()
    serving.publish(endpoint("echo", variant(start_scripted(serving, "w"))))
    message = post(body(1, rows=200))
    with RawClient(serving.port) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        raw.socket.setblocking(False)
        sent, quiet_since = 0, time.monotonic()
        while time.monotonic() - quiet_since < 0.5 and sent < 40_000 * len(message):
            try:
                sent += raw.socket.send((message * 50)[sent % len(message) :])
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        assert sent < 40_000 * len(message)
        raw.socket.settimeout(20.0)
        answers = sum(raw.answer().status == 200 for _ in range(sent // len(message)))
        raw.send(message[sent % len(message) :])
        assert raw.answer().value == 1
        assert answers == sent // len(message)


def test_a_client_that_resets_its_connection_cancels_what_still_waits(serving: Serving):
    with client(serving) as http:
        before = infer(http, 0).json()["outputs"][0]["data"][1]
        gone = [RawClient(serving.port) for _ in range(12)]
        for raw in gone[:2]:
            raw.send(post(body(1, 0.4)))  # these keep the replica busy
        time.sleep(0.1)
        for raw in gone[2:]:
            raw.send(post(body(2, 0.0)))
            time.sleep(0.005)
        time.sleep(0.1)
        for raw in gone[2:]:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.socket.close()
        assert [raw.answer().value for raw in gone[:2]] == [1, 1]
        after = infer(http, 0).json()["outputs"][0]["data"][1]
        for raw in gone:
            raw.socket.close()
    assert after - before <= 3  # the two slow ones, and the last


def test_a_wrong_method_names_the_right_one(serving: Serving):
    with client(serving) as http:
        answers = [http.get(INFER), http.delete(INFER), http.post("/v2/models/echo/ready")]
    assert [answer.status_code for answer in answers] == [405, 405, 405]
    assert [answer.headers["allow"] for answer in answers] == ["POST", "POST", "GET, HEAD"]


def test_every_answer_says_who_gave_it(serving: Serving):
    with client(serving) as http:
        first, second = infer(http, 1), infer(http, 2)
    assert first.headers["x-modelyard-variant"] == "main"
    assert first.headers["x-modelyard-model"] == "model:1"
    assert first.headers["x-modelyard-inference-id"] == first.json()["id"]
    assert first.json()["id"] < second.json()["id"]


def test_the_gateway_finishes_what_it_holds_when_it_is_told_to_end(start):
    serving = start()
    serving.publish(endpoint("echo", variant(start_scripted(serving, "w"))))
    gateway = serving._processes[0]
    with RawClient(serving.port) as busy, RawClient(serving.port) as idle:
        busy.send(post(body(5, 0.5)))
        time.sleep(0.2)
        gateway.terminate()
        assert idle.is_closed()
        answer = busy.answer()
        assert answer.value == 5
        assert answer.headers["connection"] == "close"
    assert gateway.wait(10) == 0
    assert not (serving.folder / "gateway.json").exists()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([post(body(1)), post(chunked(body(1)), "Transfer-Encoding: chunked"), LIVE * 2, post(body(1)) * 2]),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=4),
)
def test_damaged_requests_get_an_answer_of_the_4xx_kind_or_none(
    serving: Serving, message: bytes, edits: list[tuple[int, int, bytes]]
):
    for position, removed, inserted in edits:
        message = message[:position] + inserted + message[position + removed :]
    with RawClient(serving.port) as raw:
        raw.send(message)
        raw.socket.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while True:
                answer = raw.answer()
                assert answer.status in {100, 200} or 400 <= answer.status < 500 or answer.code == "control_unavailable"


def test_many_connections_at_once_each_get_their_own_answer(serving: Serving):
    connections = [RawClient(serving.port) for _ in range(200)]
    for value, raw in enumerate(connections):
        raw.send(post(body(value)))
    values = [raw.answer().value for raw in connections]
    for raw in connections:
        raw.socket.close()
    assert values == list(range(200))
    with httpx.Client(base_url=serving.url) as http:
        text = http.get("/metrics").text
    batches = [json.loads(line.split()[1]) for line in text.splitlines() if line.startswith("modelyard_inference_bat")]
    assert batches[0] < batches[1]  # fewer batches than batched requests: they were joined
