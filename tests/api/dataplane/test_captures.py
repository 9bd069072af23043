"""What the gateway answers is on disk a second later, whole and in the form that control reads."""

import time
from dataclasses import replace

import numpy as np
from tritonclient import grpc as triton
from websockets.sync.client import connect

from modelyard.dataplane.captures import closed_segments, read_segment
from modelyard.runtimes.tensors import from_raw
from modelyard.testing.scripted_model import AUTHORIZATION, body, client, infer, start_scripted, value_of
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.endpoints import Masking
from modelyard.types.tensors import CaptureRecord


def captured(serving: Serving, expected: int) -> list[CaptureRecord]:
    deadline = time.monotonic() + 20
    records: list[CaptureRecord] = []
    while len(records) < expected and time.monotonic() < deadline:
        time.sleep(0.1)
        records = [record for path in closed_segments(serving.spool) for record in read_segment(path)]
    return records


def test_a_captured_request_comes_back_as_it_was(start):
    serving = start()
    worker = start_scripted(serving, "w", "--offset", "10")
    serving.publish(endpoint("echo", variant(worker, model="digits", number=3), capture_share=1.0))
    before = time.time_ns()
    with client(serving) as http:
        answers = [infer(http, value, 0.02) for value in range(20)]
        many = http.post("/v2/models/echo/infer", content=body(5, rows=4))
        assert infer(http, 1, act=1).status_code == 500
    records = {record.id: record for record in captured(serving, 21)}
    assert len(records) == 21
    for value, answer in enumerate(answers):
        record = records[answer.headers["x-modelyard-inference-id"]]
        assert from_raw(record.inputs[0]).tolist() == np.array([[value, 0.02, 0]], np.float32).tolist()
        assert from_raw(record.outputs[0])[0, 0] == value_of(answer) == value + 10
        assert (record.project, record.endpoint, record.variant) == ("default", "echo", "main")
        assert (record.model, record.number, record.rows, record.principal) == ("digits", 3, 1, "test")
        assert before <= record.at_ns <= time.time_ns()
        assert record.latency_us >= 20_000 > record.queue_us
        assert record.latency_us - record.queue_us >= record.model_us >= 20_000
    assert records[many.json()["id"]].rows == 4


def test_the_callers_trace_is_captured_and_what_is_no_trace_is_not(start):
    serving = start()
    worker = start_scripted(serving, "w")
    serving.publish(endpoint("echo", variant(worker), capture_share=1.0))
    first, second = (f"00-{digit * 32}-{digit * 16}-01" for digit in ("a", "b"))
    sent = [
        [("traceparent", first)],
        [("Traceparent", second)],
        [],
        [("traceparent", first.replace("00-", "ff-", 1))],
        [("traceparent", first), ("traceparent", second)],
    ]
    with client(serving) as http:
        answers = [http.post("/v2/models/echo/infer", content=body(1), headers=headers) for headers in sent]
    assert {answer.status_code for answer in answers} == {200}
    traces = {record.id: record.traceparent for record in captured(serving, len(sent))}
    assert [traces[answer.headers["x-modelyard-inference-id"]] for answer in answers] == [first, second, "", "", ""]


def test_streams_and_grpc_continue_traces_too(tmp_path):
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    with Serving(tmp_path) as serving:
        worker = start_scripted(serving, "w")
        serving.start_gateway(grpc_port=0)
        serving.publish(endpoint("echo", variant(worker), capture_share=1.0))
        headers = {**AUTHORIZATION, "traceparent": trace}
        address = f"ws://127.0.0.1:{serving.port}/endpoints/echo/stream"
        with connect(address, additional_headers=headers) as stream:
            stream.send(body(1).decode())
            stream.recv(timeout=20)
        tensor = triton.InferInput("x", [1, 3], "FP32").set_data_from_numpy(np.zeros((1, 3), np.float32))
        with triton.InferenceServerClient(f"127.0.0.1:{serving.grpc_port}") as caller:
            lower = {name.lower(): value for name, value in headers.items()}
            caller.infer("echo", [tensor], headers=lower)
        assert [record.traceparent for record in captured(serving, 2)] == [trace, trace]


def test_a_share_of_the_requests_is_captured(start):
    serving = start()
    worker = start_scripted(serving, "w")
    serving.publish(endpoint("echo", variant(worker), capture_share=0.25))
    with client(serving) as http:
        for value in range(400):
            infer(http, value)
    time.sleep(2.0)
    assert 55 < len(captured(serving, 1)) < 145  # 100 expected, standard deviation 8.7


def test_the_share_and_what_is_personal_change_while_requests_come(start):
    serving = start()
    worker = start_scripted(serving, "w")
    published = endpoint("echo", variant(worker), capture_share=0.0)
    serving.publish(published)
    with client(serving) as http:
        infer(http, 1)
        serving.publish(replace(published, capture_share=1.0, personal_columns={"x": Masking.DROP}))
        seen = infer(http, 2).headers["x-modelyard-inference-id"]
    (record,) = captured(serving, 1)
    assert (record.id, record.masked) == (seen, ("x",))
    assert np.isnan(from_raw(record.inputs[0])).all()


def test_captures_survive_the_end_of_the_gateway_and_its_death(start):
    serving = start()
    worker = start_scripted(serving, "w")
    published = endpoint("echo", variant(worker), capture_share=1.0)
    serving.publish(published)
    with client(serving) as http:
        ended = [infer(http, value).headers["x-modelyard-inference-id"] for value in range(10)]
    serving._processes[0].terminate()
    assert serving._processes[0].wait(10) == 0
    assert {record.id for record in captured(serving, 10)} == set(ended)
    gateway = serving.start_gateway()
    serving.publish(published)
    with client(serving) as http:
        killed = [infer(http, value).headers["x-modelyard-inference-id"] for value in range(10)]
        time.sleep(0.3)  # longer than a tick: handed to the file, which is not closed yet
    gateway.kill()
    gateway.wait()
    serving.start_gateway()
    assert {record.id for record in captured(serving, 20)} == {*ended, *killed}
