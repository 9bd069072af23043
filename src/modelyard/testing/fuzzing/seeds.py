"""Where a fuzzer begins: a right input for each target, from which it finds its way to the wrong ones."""

import json
import struct
from collections.abc import Callable

from modelyard.dataplane.frames import Hello, Infer, TensorHead, encode_frame
from modelyard.testing import echo_model
from modelyard.testing.fuzzing import connections, parsers
from modelyard.testing.serving import TOKEN
from modelyard.types.signatures import DataType

TARGETS: dict[str, Callable[[bytes], None]] = {
    "open_inference": parsers.open_inference,
    "invocations_json": parsers.invocations_json,
    "invocations_csv": parsers.invocations_csv,
    "frames": parsers.frames,
    "strings": parsers.strings,
    "http": connections.http,
}

_IDS = {"name": "id", "datatype": "INT64", "shape": [1], "data": [7]}
_PAYLOAD = {"name": "payload", "datatype": "FP32", "shape": [1, 2], "data": [1.5, -2]}
_TEXT = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["é"]}


def seeds(target: str) -> list[bytes]:
    """Inputs to begin with."""
    return {
        "open_inference": _open_inference,
        "invocations_json": _invocations_json,
        "invocations_csv": _invocations_csv,
        "frames": _frames,
        "strings": lambda: [b"\2" + _text("a") + _text("é"), b"\1" + _text("")],
        "http": _http,
    }[target]()


def _open_inference() -> list[bytes]:
    whole = json.dumps({"id": "1", "inputs": [_IDS, _PAYLOAD, _TEXT]}).encode()
    binary = {"name": "payload", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    message = {"inputs": [_IDS, binary, _TEXT], "outputs": [{"name": "payload", "parameters": {"binary_data": True}}]}
    head = json.dumps(message).encode()
    image = {"name": "image", "datatype": "UINT8", "shape": [1, 2, 2], "data": [[[1, 2], [3, 255]]]}
    json_bytes = len(head).to_bytes(2, "little")
    return [
        b"\0\0\0" + whole,
        b"\0" + json_bytes + head + struct.pack("<2f", 1, 2),
        b"\2\0\0" + json.dumps({"inputs": [image]}).encode(),
    ]


def _invocations_json() -> list[bytes]:
    bodies: tuple[object, ...] = (
        {"instances": [[1, 2.5, "x"], [-1, 3, "y"]]},
        {"instances": [{"a": 1, "b": 2, "c": "x"}]},
        {"inputs": {"numeric": [[1, 2]], "categorical": [["x"]]}},
        [[1, 2, "x"]],
        {"a": 1, "b": 2, "c": "x"},
    )
    return [b"\1" + json.dumps(body).encode() for body in bodies] + [b"\2" + json.dumps([[[1, 2], [3, 4]]]).encode()]


def _invocations_csv() -> list[bytes]:
    return [
        b"\1header=present|\na,b,c\n1,2.5,x\n-1,3,y\n",
        b"\1|text/csv\n1;2.5;x\n",
        b'\1|*/*;q=0.1\n"1","2","a ""b"""\n',
        b"\2|application/json\n1,2,3,4\n",
    ]


def _frames() -> list[bytes]:
    payload, ids, text = struct.pack("<2f", 1, 2), struct.pack("<q", 7), _text("é")
    heads = (
        TensorHead("id", DataType.INT64, (1,), len(ids)),
        TensorHead("payload", DataType.FP32, (1, 2), len(payload)),
        TensorHead("text", DataType.BYTES, (1,), len(text)),
    )
    infer = encode_frame(Infer(1, heads), (ids, payload, text))
    return [infer, infer * 2, encode_frame(Hello(1, 2, echo_model.SIGNATURE, is_pure=True))]


def _http() -> list[bytes]:
    body = json.dumps({"inputs": [_IDS, _PAYLOAD, _TEXT]}).encode()
    head = f"POST /v2/models/echo/infer HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\nT: 1\r\n\r\n"
    live = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    control = b"POST /registry/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}"
    old = b"HEAD /v2/models/echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    return [b"\7" + each for each in (request, request * 2, chunked, live + control + request, old, upgrade + live)]


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<I", len(encoded)) + encoded
