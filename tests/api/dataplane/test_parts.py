"""Answers in parts: they come as they are made, at the pace of their reader, and nobody else waits for them."""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelyard.dataplane.gateway.config import Limits
from modelyard.testing.scripted_model import AUTHORIZATION, client
from modelyard.testing.serving import Serving, WorkerProcess, endpoint, variant
from modelyard.testing.soak.vitals import look_at
from modelyard.testing.streaming_model import Script, start_streaming

NAME = "writer"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("parts"), Limits(streams_in_flight=8, hold_seconds=0.5)) as serving:
        worker = start_streaming(serving, "steady")
        serving.start_gateway()
        serving.publish(endpoint(NAME, variant(worker), capture_share=1.0))
        yield serving


@pytest.fixture(scope="module")
def http(serving: Serving) -> Iterator[httpx.Client]:
    with client(serving) as http:
        yield http


def request(script: Script, name: str = NAME, *, stream: bool = True) -> dict[str, Any]:
    return {"model": name, "prompt": script.prompt(), "stream": stream}


def opened(http: httpx.Client, script: Script, name: str = NAME) -> AbstractContextManager[httpx.Response]:
    return http.stream("POST", "/v1/completions", json=request(script, name))


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def read(http: httpx.Client, script: Script, name: str = NAME) -> tuple[str, list[dict[str, Any]], bool]:
    """The text of a stream, all its events, and whether it said that it was whole."""
    with opened(http, script, name) as response:
        response.raise_for_status()
        lines = list(response.iter_lines())
    events = list(events_of(iter(lines)))
    text = "".join(choice["text"] for event in events for choice in event.get("choices", ()))
    return text, events, "data: [DONE]" in lines


def ask(http: httpx.Client, script: Script, name: str = NAME) -> str:
    answer = http.post("/v1/completions", json=request(script, name, stream=False))
    answer.raise_for_status()
    return answer.json()["choices"][0]["text"]


def wait_for(found: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def open_raw(serving: Serving, script: Script, version: str = "1.1", buffer_bytes: int = 4096) -> socket.socket:
    """A client that reads only when the test does."""
    body = json.dumps(request(script)).encode()
    connection = socket.create_connection(("127.0.0.1", serving.port), timeout=30)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    head = f"POST /v1/completions HTTP/{version}\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in AUTHORIZATION.items())
    connection.sendall(f"{head}{lines}\r\n".encode() + body)
    return connection


def test_parts_come_while_the_model_is_still_at_work(http):
    script = Script(name="slow", parts=4, seconds=0.4)
    started = time.monotonic()
    with opened(http, script) as response:
        first = next(events_of(response.iter_lines()))
        seconds = time.monotonic() - started
    assert first["choices"][0]["text"] == script.part(0)
    assert seconds < 4 * 0.4
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.headers["x-modelyard-model"] == "model:1"
    assert response.headers["x-modelyard-inference-id"].startswith("inf-")


def test_streams_and_whole_answers_share_a_worker_and_none_is_mixed(http):
    scripts = [Script(name=f"s{number}", parts=6, seconds=0.01) for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        streams = pool.map(lambda script: read(http, script), scripts[::2])
        answers = pool.map(lambda script: ask(http, script), scripts[1::2])
        for script, (text, events, is_whole) in zip(scripts[::2], streams, strict=True):
            assert (text, is_whole, len({event["id"] for event in events})) == (script.text(), True, 1)
        assert list(answers) == [script.text() for script in scripts[1::2]]


def test_a_whole_answer_does_not_wait_for_a_stream(http):
    with opened(http, Script(name="long", parts=2000, seconds=0.02)) as response:
        events = events_of(response.iter_lines())
        next(events)
        assert ask(http, Script(name="quick")) == Script(name="quick").text()
        assert next(events)["choices"][0]["text"]


def test_silence_has_a_limit_and_length_has_none(http):
    def body(seconds: float) -> dict[str, Any]:
        return {"text_input": Script(name="t", parts=4, seconds=seconds).prompt(), "parameters": {"timeout": 900_000}}

    path = f"/v2/models/{NAME}/generate_stream"
    assert "error" not in http.post(path, json=body(0.4)).text  # 1.6 s in all
    assert http.post(path, json=body(1.2)).json()["code"] == "deadline_exceeded"


def test_a_client_that_leaves_ends_the_work(serving, http):
    with opened(http, Script(name="left", parts=5000, seconds=0.01)) as response:
        next(events_of(response.iter_lines()))
    wait_for(lambda: "closed left after" in serving.output("steady"))


def test_a_slow_reader_stops_its_own_stream_only_and_fills_no_memory(serving, http):
    gateway = int(json.loads((serving.folder / "gateway.json").read_bytes())["pid"])
    before = look_at(gateway).rss_mb
    connections = [open_raw(serving, Script(name=f"unread{n}", parts=20_000, padding=50_000)) for n in range(4)]
    time.sleep(1.0)
    assert read(http, Script(name="beside", parts=200))[2]
    grown = look_at(gateway).rss_mb - before
    assert grown < 40, grown  # 4 x 20,000 x 50 kB wait to be asked for: 4 GB
    for connection in connections:
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
        connection.close()
    wait_for(lambda: serving.output("steady").count("closed unread") == 4)


def test_a_reader_that_pauses_gets_every_byte(serving):
    script = Script(name="paused", parts=300, padding=20_000)
    with open_raw(serving, script, "1.0", 1 << 17) as connection:  # without chunks, until the connection ends
        time.sleep(0.5)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    lines = received.decode().splitlines()
    assert "".join(each["choices"][0]["text"] for each in events_of(iter(lines))) == script.text()


def test_what_fails_on_the_way_is_named_in_an_event(http):
    text, events, is_whole = read(http, Script(name="broken", parts=5, act="raise", at=3))
    assert text == Script(name="broken", parts=3).text()
    assert (events[-1]["error"]["code"], is_whole) == ("model_failed", False)
    refused = http.post("/v1/completions", json=request(Script(name="broken", act="raise", at=0)))
    assert (refused.status_code, refused.json()["code"]) == (500, "model_failed")  # nothing was sent yet


def test_too_many_streams_are_refused_with_the_reason(http):
    script = Script(name="many", parts=5000, seconds=0.002)
    with ExitStack() as streams:
        for _ in range(8):
            streams.enter_context(opened(http, script))
        refused = http.post("/v1/completions", json=request(script))
    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    wait_for(lambda: http.post("/v1/completions", json=request(Script(name="again"))).status_code == 200)


def test_streams_are_captured_and_counted_as_one_answer(serving, http):
    name = f'modelyard_inference_requests_total{{endpoint="{NAME}",project="default",variant="main"}} '
    before = figure(http, name)
    text, _, _ = read(http, Script(name="captured", parts=5))
    assert figure(http, name) == before + 1
    wait_for(lambda: any(text.encode() in path.read_bytes() for path in serving.spool.rglob("*") if path.is_file()))


def figure(http: httpx.Client, name: str) -> float:
    lines = http.get("/metrics").text.splitlines()
    return float(next((line.removeprefix(name) for line in lines if line.startswith(name)), "0"))


def start(serving: Serving, name: str, *options: str) -> WorkerProcess:
    worker = start_streaming(serving, name, *options)
    serving.publish(endpoint(name, variant(worker)))
    return worker


def test_a_worker_that_dies_on_the_way_is_named_in_an_event(tmp_path: Path):
    with Serving(tmp_path, Limits(hold_seconds=0.5)) as serving:
        serving.start_gateway()
        start(serving, "mortal")
        with client(serving) as http:
            text, events, is_whole = read(http, Script(name="d", parts=5, act="die", at=2), "mortal")
            assert text == Script(name="d", parts=2).text()
            assert (events[-1]["code"], events[-1]["error"]["code"], is_whole) == ("replica_failed",) * 2 + (False,)


def test_a_model_that_hangs_between_two_parts_is_ended(tmp_path: Path):
    with Serving(tmp_path) as serving:
        serving.start_gateway()
        worker = start(serving, "mute", "--hang-seconds", "1")
        prompt = Script(name="h", parts=5, act="hang", at=1).prompt()
        body = {"text_input": prompt, "parameters": {"timeout": 500_000}}
        with client(serving) as http:
            answer = http.post("/v2/models/mute/generate_stream", json=body)
        events = list(events_of(iter(answer.text.splitlines())))
        assert [event.get("text_output") for event in events] == ["h.0 ", None]
        assert events[1]["code"] == "deadline_exceeded"
        assert worker.process.wait(20) == -signal.SIGALRM


def test_streams_end_before_their_worker_does(tmp_path: Path):
    with Serving(tmp_path) as serving:
        serving.start_gateway()
        old = start(serving, "drained")
        script = Script(name="d", parts=20, seconds=0.1)
        with client(serving) as http, ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read, http, script, "drained")
            time.sleep(0.5)
            serving.publish(endpoint("drained", variant(start_streaming(serving, "next"))))
            assert old.terminate() == 0
            assert reading.result() == (script.text(), reading.result()[1], True)
