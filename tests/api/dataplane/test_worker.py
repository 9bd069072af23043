"""The worker as a program: its exit codes, its frames, its end."""

import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import InputRefusedError, ModelFailedError, WorkerUnavailableError
from modelyard.dataplane.frames import FrameReader, Infer, TensorHead, encode_frame
from modelyard.testing.scripted_model import SIGNATURE, start_scripted
from modelyard.testing.serving import Serving
from modelyard.types.signatures import DataType


def x(*rows: tuple[float, float, float]) -> dict[str, np.ndarray]:
    return {"x": np.array(rows, np.float32)}


@pytest.fixture
def workers(tmp_path: Path):
    with Serving(tmp_path) as serving:
        yield serving


def test_a_bundle_that_cannot_be_loaded_ends_the_worker_with_its_reason(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "modelyard.dataplane.worker",
        "--bundle",
        str(tmp_path),
        "--socket",
        str(tmp_path / "s"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert "artifact_invalid" in ended.stderr
    assert "manifest.json" in ended.stderr
    assert not (tmp_path / "s").exists()


def test_the_client_gets_answers_and_the_two_kinds_of_errors(workers: Serving):
    worker = start_scripted(workers, "w")
    with WorkerClient(worker.address) as client:
        assert client.signature == SIGNATURE
        assert client.pid == worker.process.pid
        assert client.infer(x((1, 0, 0), (2, 0, 0)))["y"][:, 0].tolist() == [1, 2]
        with pytest.raises(InputRefusedError, match="shape"):
            client.infer({"x": np.zeros((1, 2), np.float32)})
        with pytest.raises(ModelFailedError, match="told to fail"):
            client.infer(x((1, 0, 1)))
        assert client.infer(x((3, 0, 0)))["y"][0, 0] == 3
        with pytest.raises(WorkerUnavailableError):
            client.infer(x((1, 0, 2)))
    assert worker.process.wait(10) == 9
    with pytest.raises(WorkerUnavailableError, match="does not answer"):
        WorkerClient(worker.address)


def test_a_time_out_is_an_error_of_its_own(workers: Serving):
    worker = start_scripted(workers, "w")
    with WorkerClient(worker.address, 0.2) as client, pytest.raises(WorkerUnavailableError, match="timed out"):
        client.infer(x((1, 1, 0)))


def test_sigterm_lets_it_finish_what_it_has_received(workers: Serving):
    worker = start_scripted(workers, "w")
    answers: list[float] = []

    def call(value: float) -> None:
        with WorkerClient(worker.address) as client:
            answers.append(client.infer(x((value, 0.3, 0)))["y"][0, 0])

    threads = [threading.Thread(target=call, args=(value,)) for value in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert worker.terminate() == 0
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0, 1, 2]
    assert not Path(worker.address).exists()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<II", 1 << 31, 4) + b"xxxx",
        struct.pack("<II", 4, 8) + b"xxxx",
        struct.pack("<II", 4, 4) + b"\xff\xff\xff\xff",
        encode_frame(Infer(1, (TensorHead("x", DataType.FP32, (1, 3), 99),)), [b"short"]),
        encode_frame(Infer(1, (TensorHead("x", DataType.FP32, (1, 3), -12),)), []),
    ],
)
def test_garbage_ends_its_connection_and_no_other(workers: Serving, garbage: bytes):
    worker = start_scripted(workers, "w")
    with WorkerClient(worker.address) as client, socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(worker.address)
        raw.recv(1 << 16)
        raw.sendall(garbage)
        assert raw.recv(1) == b""
        assert client.infer(x((1, 0, 0)))["y"][0, 0] == 1


def test_a_damaged_tensor_fails_its_batch_only(workers: Serving):
    worker = start_scripted(workers, "w")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(worker.address)
        reader, frames = FrameReader(), []
        raw.sendall(encode_frame(Infer(1, (TensorHead("x", DataType.FP32, (1, 3), 5),)), [b"short"]))
        good = np.ones((1, 3), np.float32).tobytes()
        raw.sendall(encode_frame(Infer(2, (TensorHead("x", DataType.FP32, (1, 3), 12),)), [good]))
        while len(frames) < 3:
            frames += [header for header, _ in reader.feed(raw.recv(1 << 16))]
    assert [type(frame).__name__ for frame in frames] == ["Hello", "Failure", "Failure"]
    assert frames[1].is_input
    assert frames[2].code == "model_failed"  # act 1


def test_batches_that_are_sent_ahead_are_answered_in_their_order(workers: Serving):
    with WorkerClient(start_scripted(workers, "w").address) as client:
        started = time.monotonic()
        ahead = [client.send(x((value, 0.2, 0))) for value in range(3)]
        assert time.monotonic() - started < 0.2  # nobody has waited for an answer
        assert [client.answer(each)["y"][0, 0] for each in ahead] == [0, 1, 2]
        assert client.infer(x((7, 0, 0)))["y"][0, 0] == 7


def test_a_socket_whose_worker_does_not_listen_yet_is_waited_for(workers: Serving, tmp_path: Path):
    worker = start_scripted(workers, "w")
    early, link = tmp_path / "early", tmp_path / "link"
    link.symlink_to(worker.address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        bound.bind(str(early))  # nobody listens, so connections are refused
        thread = threading.Timer(0.3, lambda: link.replace(early))
        thread.start()
        with WorkerClient(str(early)) as client:
            assert client.pid == worker.process.pid
        thread.join()


def test_a_socket_on_which_nobody_listens_is_given_up_in_seconds(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        bound.bind(str(tmp_path / "left"))
        with pytest.raises(WorkerUnavailableError, match="refused"):
            WorkerClient(str(tmp_path / "left"), timeout_seconds=0.2)
