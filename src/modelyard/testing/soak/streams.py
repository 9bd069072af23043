"""Requests for answers in parts to the echo model, and whether what came is right, or says why it is not whole."""

import json
import random
from dataclasses import dataclass
from typing import Any

from modelyard.testing.serving import TOKEN
from modelyard.testing.soak.questions import ENDPOINT

_PATH = f"/v2/models/{ENDPOINT}/generate_stream"
_HEAD = f"POST {_PATH} HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {TOKEN}\r\n"
_LONGEST_TEXT, _WIDEST = 60, 40
_DATA = "data: "


@dataclass(frozen=True, slots=True)
class StreamQuestion:
    """One request and what its answer must hold.

    Attributes:
        name: the request's id, which every part repeats.
        message: the whole HTTP request.
    """

    name: str
    message: bytes
    id: int
    payload: list[float]
    text: str

    def refusal_of(self, body: bytes) -> str | None:
        """The code of the event that ends an answer early; None if it is whole."""
        return next((str(event["code"]) for event in _events(body) if "code" in event), None)

    def problem_of(self, headers: dict[str, str], body: bytes) -> str | None:
        """What is wrong with the parts that came; None if all are this question's own."""
        parts = [event for event in _events(body) if "code" not in event]
        text = "".join(part["text"] for part in parts)
        served = int(headers["x-modelyard-model"].rpartition(":")[2])
        strangers = [
            part for part in parts if (part["id"], part["payload"], part["version"]) != (self.id, self.payload, served)
        ]
        if strangers:
            return f"a part of another answer: {strangers[0]!r:.200}"
        is_whole = self.refusal_of(body) is None
        if text != self.text if is_whole else not self.text.startswith(text):
            return f"text: {text!r:.200} instead of {self.text!r:.200}"
        return None


def make_stream_question(number: int, chance: random.Random) -> StreamQuestion:
    """The `number`-th request."""
    payload = [float((number * 31 + column) & 0xFFFFF) for column in range(chance.randint(1, _WIDEST))]
    text = f"{number}:" + "".join(chance.choice("aé€𝄞 ") for _ in range(chance.randint(1, _LONGEST_TEXT)))
    body = json.dumps({"id": number, "payload": payload, "text": text}).encode()
    head = f"{_HEAD}Content-Length: {len(body)}\r\n\r\n".encode()
    return StreamQuestion(f"s{number}", head + body, number, payload, text)


def _events(body: bytes) -> list[dict[str, Any]]:
    lines = body.decode().splitlines()
    return [json.loads(line.removeprefix(_DATA)) for line in lines if line.startswith(_DATA)]
