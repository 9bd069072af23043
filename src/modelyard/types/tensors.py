"""Tensors outside memory: raw bytes for sockets and captures, lists for JSON."""

from dataclasses import dataclass

import msgspec

from modelyard.types.signatures import DataType


class RawTensor(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Row-major little-endian bytes; BYTES elements each carry a 4-byte little-endian length in front.

    Source: Open Inference Protocol v2, binary tensor data extension.
    """

    name: str
    datatype: DataType
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonTensor:
    """`data` is flat, row-major; NaN is null."""

    name: str
    datatype: DataType
    shape: tuple[int, ...]
    data: list[str | float | int | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRequest:
    """Inputs with the answer that the version must give: numbers within `tolerance` (absolute), the rest equal."""

    inputs: tuple[JsonTensor, ...]
    outputs: tuple[JsonTensor, ...]
    tolerance: float = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenSet:
    """`golden.json` of a bundle."""

    requests: tuple[GoldenRequest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundRows:
    """`background.json` of a bundle: rows like the training data."""

    inputs: tuple[JsonTensor, ...]


class CapturedBodies(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A request and its answer as they went over the wire.

    Attributes:
        request_type, answer_type: content types.
        event_id: the caller's own id of the inference; empty if it named none.
        attributes: the custom attributes that came along.
    """

    request_type: str
    request: bytes
    answer_type: str
    answer: bytes
    event_id: str = ""
    attributes: str = ""


class CaptureRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One recorded request as the gateway spools it. Times in nanoseconds since 1970 and microseconds.

    Spooled as a list of its values: written and read in a third of the time that names would take.

    Attributes:
        latency_us: from the whole request to its answer.
        queue_us: of that, until its batch was sent to a replica.
        model_us: of that, the model's own time for the batch.
        principal: id of the token that asked.
        masked: names of the personal columns whose values were hashed or dropped.
        traceparent: the caller's span (W3C Trace Context); empty if none was named.
        bodies: what callers who sign their requests sent and got; never where columns are masked. It is read on the way
            from the spool and not kept.
    """

    id: str
    at_ns: int
    project: str
    endpoint: str
    variant: str
    model: str
    number: int
    rows: int
    latency_us: int
    queue_us: int
    principal: str
    inputs: tuple[RawTensor, ...]
    outputs: tuple[RawTensor, ...]
    model_us: int = 0
    masked: tuple[str, ...] = ()
    traceparent: str = ""
    bodies: CapturedBodies | None = None
