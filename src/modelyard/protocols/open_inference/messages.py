"""The JSON of inference requests, as the specification names it."""

from typing import Any

import msgspec

Parameters = dict[str, Any]


class InputMessage(msgspec.Struct, gc=False):
    """One input tensor: `data` here, or in the binary part with `parameters.binary_data_size`."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | None = None
    parameters: Parameters | None = None


class OutputMessage(msgspec.Struct, gc=False):
    """A requested output."""

    name: str
    parameters: Parameters | None = None


class RequestMessage(msgspec.Struct, gc=False):
    """`$inference_request`."""

    inputs: list[InputMessage]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[OutputMessage] | None = None
