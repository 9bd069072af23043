"""Servers whose bodies go through as they are: any content type, any status, answers in parts."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from modelyard.runtimes.base import Predictor
from modelyard.runtimes.bundle import load_bundle
from modelyard.runtimes.foreign.inspect import inspect_program

SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, b"", "text/plain")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, accept = self.headers["Content-Type"], self.headers["Accept"]
        if kind == "text/csv":
            return self.answer(200, body[::-1], accept, self.headers.get("X-Amzn-SageMaker-Custom-Attributes", ""))
        if kind != "text/words":
            return self.answer(415, b"only CSV, not " + kind.encode(), "text/plain")
        self.send_response(200)
        self.send_header("Content-Type", accept)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in (*body.split(), b""):
            self.wfile.write(b"%x\\r\\n%b\\r\\n" % (len(word), word))
            self.wfile.flush()

    def answer(self, status, body, kind, attributes=""):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", attributes)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def predictor(tmp_path: Path) -> Iterator[Predictor]:
    (tmp_path / "serve.py").write_text(SERVER)
    (tmp_path / "server.json").write_text(json.dumps({"command": ["python", "serve.py"], "content_type": "*/*"}))
    assert not inspect_program(tmp_path).is_pure
    _, predictor = load_bundle(tmp_path)
    yield predictor
    predictor.close()  # type: ignore[attr-defined]


def request(body: bytes, content_type: str, accept: str, attributes: str = "") -> dict[str, np.ndarray]:
    words = {"content_type": content_type, "accept": accept, "custom_attributes": attributes, "target": ""}
    texts = {name: np.array([value], dtype=object) for name, value in words.items()}
    return {"body": np.frombuffer(body, np.uint8).reshape(1, -1), **texts}


def test_a_body_and_its_headers_go_to_the_server_and_come_back(predictor: Predictor):
    answer = predictor.predict(request(b"\x00\xff3", "text/csv", "image/x", "trace=7"))
    assert answer["body"].tobytes() == b"3\xff\x00"
    assert answer["content_type"].tolist() == ["image/x"]
    assert answer["custom_attributes"].tolist() == ["trace=7"]
    assert answer["status"].tolist() == [200]


def test_a_refusal_is_an_answer(predictor: Predictor):
    answer = predictor.predict(request(b"x", "image/png", "text/csv"))
    assert answer["status"].tolist() == [415]
    assert answer["body"].tobytes() == b"only CSV, not image/png"


def test_an_answer_in_parts_comes_part_by_part_and_others_are_answered_between_them(predictor: Predictor):
    stream = predictor.stream(request(b"one two three", "text/words", "text/plain"))
    first = next(stream)
    assert first is not None
    between = predictor.predict(request(b"ab", "text/csv", "text/csv"))
    rest = b"".join(part["body"].tobytes() for part in stream if part)
    assert first["body"].tobytes() + rest == b"onetwothree"
    assert between["body"].tobytes() == b"ba"
    assert predictor.predict(request(b"cd", "text/csv", "text/csv"))["body"].tobytes() == b"dc"
