"""A worker that hangs, or answers NaN, is noticed: by itself, by the gateway, by whoever reads its signs of life."""

import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.frames import Infer, TensorHead, encode_frame
from modelyard.dataplane.vitals import read_vitals, vitals_path
from modelyard.testing.scripted_model import body, client, infer, start_scripted, value_of
from modelyard.testing.serving import Serving, WorkerProcess, endpoint, variant
from modelyard.types.signatures import DataType

HANGS, IS_NAN = 4.0, 3.0


@pytest.fixture
def workers(tmp_path: Path):
    with Serving(tmp_path) as serving:
        yield serving


def ask_without_patience(worker: WorkerProcess, act: float) -> None:
    """Send a batch whose caller waits no time at all, so that only the worker's own limit counts."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(worker.address)
        row = np.array([[1, 0, act]], np.float32)
        raw.sendall(encode_frame(Infer(1, (TensorHead("x", DataType.FP32, (1, 3), 12),)), [row.tobytes()]))
        raw.settimeout(20)
        while raw.recv(1 << 16):
            if act != HANGS:
                return


def test_a_model_that_hangs_with_pythons_lock_held_ends_its_worker_which_says_where(workers: Serving):
    worker = start_scripted(workers, "w", "--hang-seconds", "0.4")
    started = time.monotonic()
    ask_without_patience(worker, HANGS)
    assert worker.process.wait(10) == -signal.SIGALRM
    assert 0.4 <= time.monotonic() - started < 3
    where = workers.output("w").partition("most recent call first")[2]
    assert " in fullmatch" in where.splitlines()[1]
    assert " in predict" in where.splitlines()[2]


def test_a_slow_batch_whose_caller_waits_is_not_a_hang_and_neither_is_idleness(workers: Serving):
    worker = start_scripted(workers, "w", "--hang-seconds", "0.3")
    with WorkerClient(worker.address, timeout_seconds=10) as caller:
        assert caller.infer({"x": np.array([[5, 0.8, 0]], np.float32)})["y"][0, 0] == 5
        time.sleep(0.5)
        assert caller.infer({"x": np.array([[6, 0, 0]], np.float32)})["y"][0, 0] == 6
    assert worker.process.poll() is None


def test_requests_of_a_hung_replica_end_with_a_reason_and_the_others_are_answered(start):
    serving = start(deadline_seconds=0.5, max_batch_requests=1)
    hung = start_scripted(serving, "hung", "--hang-seconds", "0.1")
    good = start_scripted(serving, "good")
    alone, both = variant(hung), variant(hung, good)
    serving.publish(endpoint("echo", alone))
    with client(serving) as http, ThreadPoolExecutor(4) as threads:
        stuck = threads.submit(infer, http, 1, 0.0, HANGS)
        time.sleep(0.1)
        serving.publish(endpoint("echo", both))
        assert [value_of(infer(http, number)) for number in range(20)] == list(range(20))
        assert (stuck.result().status_code, stuck.result().json()["code"]) == (504, "deadline_exceeded")
    assert hung.process.wait(10) == -signal.SIGALRM


def test_nan_answers_are_passed_on_counted_and_told(start):
    serving = start()
    worker = start_scripted(serving, "w")
    serving.publish(endpoint("echo", variant(worker)))
    with client(serving) as http:
        value_of(infer(http, 1))
        assert nan_rows(http) == 0
        assert read_vitals(worker.address).nan_output == ""
        answer = http.post("/v2/models/echo/infer", content=body(1, act=IS_NAN, rows=3))
        assert json.loads(answer.content)["outputs"][0]["data"][0] is None
        value_of(infer(http, 1))
        assert nan_rows(http) == 3
    assert read_vitals(worker.address).nan_output == "y"


def test_a_worker_promises_signs_of_life_as_long_as_it_lives(workers: Serving):
    worker = start_scripted(workers, "w")
    assert read_vitals(worker.address).alive_until > time.monotonic()
    assert worker.terminate() == 0
    assert not vitals_path(worker.address).exists()
    assert read_vitals(worker.address) is None


def nan_rows(http: httpx.Client) -> float:
    lines = http.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("modelyard_inference_nan_rows_total{")).split()[-1])
