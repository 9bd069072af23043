"""Tensors outside memory: raw bytes for sockets and captures, lists for JSON."""

from dataclasses import dataclass

from modelyard.types.signatures import DataType


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTensor:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRecord:
    """One recorded request as the gateway spools it. Times in nanoseconds since 1970 and microseconds."""

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
