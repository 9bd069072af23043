"""Requests to the echo model that look different every time, and whether an answer is the right one."""

import json
import random
import struct
from dataclasses import dataclass
from typing import Any

from modelyard.testing.serving import TOKEN

ENDPOINT = "echo"
PATH = f"/v2/models/{ENDPOINT}/infer"
_MOST_ROWS, _WIDEST = 24, 40
_LETTERS = "aé€𝄞 "
_HEAD = f"POST {PATH} HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {TOKEN}\r\n"
JSON_LENGTH = "inference-header-content-length"
_FP32 = "FP32"


@dataclass(frozen=True, slots=True)
class Question:
    """One request and what its answer must hold.

    Attributes:
        name: the request's id, which the answer repeats.
        message: the whole HTTP request.
    """

    name: str
    message: bytes
    ids: list[int]
    payload: list[float]
    texts: list[str]
    is_binary: bool

    def problem_of(self, headers: dict[str, str], body: bytes) -> str | None:
        """What is wrong with an answer; None if it is this question's own."""
        answer, payload = self._read(headers, body)
        outputs = {output["name"]: output for output in answer["outputs"]}
        versions = set(outputs["version"]["data"])
        served = headers["x-modelyard-model"].rpartition(":")[2]
        pairs = {
            "id": (answer["id"], self.name),
            "ids": (outputs["id"]["data"], self.ids),
            "text": (outputs["text"]["data"], self.texts),
            "payload": (payload if self.is_binary else outputs["payload"]["data"], self.payload),
            "version": (versions, {int(served)}),
        }
        wrong = [f"{name}: {got!r:.200} instead of {want!r:.200}" for name, (got, want) in pairs.items() if got != want]
        return "; ".join(wrong) or None

    def _read(self, headers: dict[str, str], body: bytes) -> tuple[Any, list[float]]:
        if not self.is_binary:
            return json.loads(body), []
        size = int(headers[JSON_LENGTH])
        rest = body[size:]
        return json.loads(body[:size]), list(struct.unpack(f"<{len(rest) // 4}f", rest))


def make_question(number: int, chance: random.Random) -> Question:
    """The `number`-th request: its rows carry ids that no other request has."""
    rows, width = chance.randint(1, _MOST_ROWS), chance.randint(1, _WIDEST)
    ids = [number * _MOST_ROWS + row for row in range(rows)]
    # Whole numbers below 2^24, which float32 holds.
    payload = [float((first * 31 + column) & 0xFFFFF) for first in ids for column in range(width)]
    texts = [f"{first}{chance.choice(_LETTERS) * chance.randint(0, 9)}" for first in ids]
    is_binary = chance.random() < 0.5  # noqa: PLR2004 - half of each
    name = f"q{number}"
    message: dict[str, Any] = {"id": name, "inputs": []}
    tensors: list[tuple[str, str, list[int], list[Any]]] = [
        ("id", "INT64", [rows], ids),
        ("payload", _FP32, [rows, width], payload),
        ("text", "BYTES", [rows], texts),
    ]
    binary = b""
    for tensor, datatype, shape, values in tensors:
        described: dict[str, Any] = {"name": tensor, "datatype": datatype, "shape": shape}
        if is_binary and datatype == _FP32:
            binary = struct.pack(f"<{len(payload)}f", *payload)
            described["parameters"] = {"binary_data_size": len(binary)}
        else:
            described["data"] = values
        message["inputs"].append(described)
    if is_binary:
        wanted = [{"name": each} for each in ("id", "text", "version")]
        message["outputs"] = [*wanted, {"name": "payload", "parameters": {"binary_data": True}}]
    head = json.dumps(message).encode()
    extra = f"{JSON_LENGTH}: {len(head)}\r\n" if is_binary else ""
    start = f"{_HEAD}{extra}Content-Length: {len(head) + len(binary)}\r\n\r\n".encode()
    return Question(name, start + head + binary, ids, payload, texts, is_binary)


def make_junk(chance: random.Random) -> bytes:
    """A request that is whole as HTTP, and whose body is none of this model's."""
    bodies = (
        b"",
        b"{",
        b'{"inputs": []}',
        b"[" * 5000,
        b'{"inputs": [{"name": "id", "datatype": "INT64", "shape": [4611686018427387904], "data": [1]}]}',
        b'{"inputs": [{"name": "payload", "datatype": "FP32", "shape": [1, 2], "data": [NaN, 1]}]}',
        chance.randbytes(chance.randint(1, 400)),
    )
    body = chance.choice(bodies)
    return f"{_HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body
