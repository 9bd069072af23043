"""How rows travel to a server and labels come back."""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass


class Dialect(ABC):
    """Encodes requests and decodes answers. All of them are JSON over POST."""

    @abstractmethod
    def encode(self, rows: list[list[float]], shape: tuple[int, ...]) -> bytes:
        """The body for rows, each of `shape`."""

    @abstractmethod
    def decode(self, body: bytes) -> list[int]:
        """The labels in an answer."""


@dataclass(frozen=True)
class OpenInference(Dialect):
    """Open Inference Protocol v2, as JSON.

    Attributes:
        input_name: of the model.
        datatype: FP32 or FP64.
        output_name: the tensor with the labels; the first one if left out.
        wanted: ask for that output alone, as the other servers answer labels alone.
    """

    input_name: str = "x"
    datatype: str = "FP32"
    output_name: str | None = None
    wanted: bool = False

    def encode(self, rows: list[list[float]], shape: tuple[int, ...]) -> bytes:
        """See Dialect."""
        tensor = {
            "name": self.input_name,
            "shape": [len(rows), *shape],
            "datatype": self.datatype,
            "data": [value for row in rows for value in row],
        }
        message: dict[str, object] = {"inputs": [tensor]}
        if self.wanted:
            message["outputs"] = [{"name": self.output_name}]
        return json.dumps(message, separators=(",", ":")).encode()

    def decode(self, body: bytes) -> list[int]:
        """See Dialect."""
        outputs = json.loads(body)["outputs"]
        chosen = next((each for each in outputs if each["name"] == self.output_name), outputs[0])
        return [int(value) for value in chosen["data"]]


@dataclass(frozen=True)
class Instances(Dialect):
    """`{"instances": [[...], ...]}` and back a list under `answer_name`, or a bare list if that is empty."""

    request_name: str = "instances"
    answer_name: str = "predictions"

    def encode(self, rows: list[list[float]], shape: tuple[int, ...]) -> bytes:
        """See Dialect."""
        return json.dumps({self.request_name: [_shaped(row, shape) for row in rows]}, separators=(",", ":")).encode()

    def decode(self, body: bytes) -> list[int]:
        """See Dialect."""
        answer = json.loads(body)
        values = answer[self.answer_name] if self.answer_name else answer
        return [int(value[0] if isinstance(value, list) else value) for value in values]


def _shaped(row: list[float], shape: tuple[int, ...]) -> list:
    for size in reversed(shape[1:]):
        row = [row[start : start + size] for start in range(0, len(row), size)]
    return row
