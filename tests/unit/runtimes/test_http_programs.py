"""Model servers that are a program: started, asked in JSON and CSV, and ended with their worker."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import ModelFailedError, WorkerUnavailableError
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.foreign.bodies import CSV, JSON, decode, encode
from modelyard.runtimes.foreign.inspect import inspect_program
from modelyard.runtimes.formats.programs.http import HttpRuntime
from modelyard.runtimes.tensors import TensorInvalidError
from modelyard.testing.serving import Serving
from modelyard.types.signatures import DataType, Signature, TensorSpec

SERVER = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404, b"", "text/plain")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        is_csv = self.headers["Content-Type"] == "text/csv"
        rows = [list(map(float, l.split(","))) for l in body.splitlines()] if is_csv else json.loads(body)["instances"]
        if rows[0][0] == 101:
            os._exit(7)
        if rows[0][0] == 102:
            time.sleep(60)
        if rows[0][0] == 103:
            return self.answer(500, b"the model is tired", "text/plain")
        sums = [sum(row) for row in rows]
        if is_csv:
            return self.answer(200, "\\n".join(map(str, sums)).encode(), "text/csv")
        self.answer(200, json.dumps({"predictions": sums}).encode(), "application/json")

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
X = TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 3))
Y = TensorSpec(name="y", datatype=DataType.FP32, shape=(-1,))
SIGNATURE = Signature(inputs=(X,), outputs=(Y,))
DIES, HANGS, FAILS = 101, 102, 103


def write_program(folder: Path, source: str = SERVER, **fields: object) -> Path:
    (folder / "serve.py").write_text(source)
    (folder / "server.json").write_text(json.dumps({"command": ["python", "serve.py"], **fields}))
    spec = {"name": "x", "datatype": "FP32", "shape": [-1, 3]}
    (folder / "signature.json").write_text(
        json.dumps({"inputs": [spec], "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}]})
    )
    return folder / "server.json"


@pytest.mark.parametrize("content_type", [JSON, CSV])
def test_a_server_is_started_and_answers_batches(tmp_path: Path, content_type: str):
    predictor = HttpRuntime().load(write_program(tmp_path, content_type=content_type), SIGNATURE)
    try:
        for rows in (1, 5):
            batch = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
            assert predictor.predict({"x": batch})["y"].tolist() == batch.sum(axis=1).tolist()
    finally:
        predictor.close()


@pytest.mark.parametrize(
    ("source", "fields", "words"),
    [
        ("raise SystemExit(5)", {}, "exit code 5"),
        (SERVER.replace('"/ping"', '"/health"'), {"start_seconds": 1.5}, "/ping answered 404"),
        ("import time; time.sleep(60)", {"start_seconds": 0.5}, "refused"),
        (SERVER, {"command": ["./absent"]}, "cannot be started"),
        (SERVER, {"command": []}, "names no command"),
        (SERVER, {"content_type": "application/pickle"}, "is not valid"),
    ],
)
def test_a_server_that_does_not_get_ready_is_refused_with_the_reason(
    tmp_path: Path, source: str, fields: dict[str, object], words: str
):
    with pytest.raises(ArtifactInvalidError) as refused:
        HttpRuntime().load(write_program(tmp_path, source, **fields), SIGNATURE)
    assert words in refused.value.message


def test_errors_fail_their_request_and_the_ends_of_server_and_worker_are_one(tmp_path: Path):
    bundle = write_program(tmp_path).parent
    assert inspect_program(bundle).artifact == "server.json"
    with Serving(tmp_path) as serving:
        worker = serving.start_worker("dies", bundle)
        with WorkerClient(worker.address) as client:
            with pytest.raises(ModelFailedError, match="the server answered 500: the model is tired"):
                client.infer({"x": np.full((1, 3), FAILS, np.float32)})
            assert client.infer({"x": np.ones((2, 3), np.float32)})["y"].tolist() == [3, 3]
            with pytest.raises(WorkerUnavailableError):
                client.infer({"x": np.full((1, 3), DIES, np.float32)})
        assert worker.process.wait(10) == 7
        hung = serving.start_worker("hangs", command=worker_command(bundle))
        with WorkerClient(hung.address, 0.2) as client, pytest.raises(WorkerUnavailableError):
            client.infer({"x": np.full((1, 3), HANGS, np.float32)})
        assert hung.process.wait(10) == -signal.SIGALRM


def worker_command(bundle: Path) -> list[str]:
    return ["-m", "modelyard.dataplane.worker", "--bundle", str(bundle), "--hang-seconds", "0.5"]


TWO = Signature(
    inputs=(X, TensorSpec(name="town", datatype=DataType.BYTES, shape=(-1,))),
    outputs=(
        TensorSpec(name="label", datatype=DataType.BYTES, shape=(-1,)),
        TensorSpec(name="scores", datatype=DataType.FP64, shape=(-1, 2)),
    ),
)


def test_several_inputs_and_outputs_have_their_names_in_json_and_their_order_in_csv():
    batch = {"x": np.ones((1, 3), np.float32), "town": np.array(["Den Haag, NL"], dtype=object)}
    assert json.loads(encode(batch, JSON)) == {"instances": [{"x": [1, 1, 1], "town": "Den Haag, NL"}]}
    assert encode(batch, CSV) == b'1.0,1.0,1.0,"Den Haag, NL"\n'
    for body, content_type in (
        (b'{"label": ["a"], "scores": [[0.5, null]]}', JSON),
        (b'{"predictions": [{"label": "a", "scores": [0.5, null]}]}', JSON),
        (b"a,0.5,nan\n", CSV),
    ):
        outputs = decode(body, content_type, TWO)
        assert outputs["label"].tolist() == ["a"]
        assert outputs["scores"].shape == (1, 2)
        assert outputs["scores"][0, 0] == 0.5
        assert np.isnan(outputs["scores"][0, 1])


@pytest.mark.parametrize("body", [b"", b"{", b"[1, 2]", b'{"predictions": 3}', b'{"label": ["a"]}', b"\xff"])
def test_answers_that_are_not_what_the_signature_says_are_errors(body: bytes):
    for content_type in (JSON, CSV):
        with pytest.raises(TensorInvalidError):
            decode(body, content_type, TWO)
