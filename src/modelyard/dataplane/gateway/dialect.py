"""The contract of a wire format of inference (Open Inference Protocol v2, /invocations, ...): it parses and formats.

A dialect keeps no state about requests and does no input or output. All of it runs on the event loop's thread.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.types.signatures import Signature

Headers = Mapping[bytes, bytes]
"""Request headers, names in lower case. Repeated ones that would matter are refused before."""


class Operation(StrEnum):
    """What a path asks for."""

    SERVER_LIVE = "server_live"
    SERVER_READY = "server_ready"
    SERVER_METADATA = "server_metadata"
    ENDPOINT_READY = "endpoint_ready"
    ENDPOINT_METADATA = "endpoint_metadata"
    INFER = "infer"


class Target(NamedTuple):
    """A path, understood. `version` is a model version number or a variant name; empty: by traffic weights."""

    operation: Operation
    endpoint: str = ""
    version: str = ""


class Reply(NamedTuple):
    """A formatted answer. `headers` are further header lines, each with its line end."""

    content_type: bytes
    body: bytes
    headers: bytes = b""


class AnswerContext(NamedTuple):
    """Who answers: the same for all answers of a variant."""

    endpoint: str
    model: str
    version: str
    signature: Signature


class InferenceCall(ABC):
    """A parsed request: its tensors in the order of the signature's inputs, and how its answer is to be written.

    Attributes:
        inputs: checked against the signature: names, types, shapes, sizes, no value that the model does not take.
        rows: size of the batch dimension.
        timeout_seconds: how long the caller wants to wait at most; None: the gateway's default.
    """

    __slots__ = ("inputs", "rows", "timeout_seconds")

    inputs: tuple[WireTensor, ...]
    rows: int
    timeout_seconds: float | None

    @abstractmethod
    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """The answer as the caller asked for it; `outputs` hold exactly this request's rows."""


class Dialect(Protocol):
    """A wire format."""

    prefixes: tuple[str, ...]
    """Paths that start like this belong to the dialect, also those that it does not know ("/v2/")."""

    def target(self, path: str) -> Target | None:
        """What `path` (percent-decoding done) asks for; None if nothing."""

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """A request for a model of this signature.

        Raises:
            InvalidInputError: what is wrong, where, and what to send instead.
        """

    def describe_server(self) -> Mapping[str, object]:
        """Answer to SERVER_METADATA, JSON."""

    def describe_endpoint(self, endpoint: str, versions: Sequence[str], signature: Signature) -> Mapping[str, object]:
        """Answer to ENDPOINT_METADATA, JSON."""

    def error_fields(self, message: str) -> Mapping[str, object]:
        """What this format adds to the uniform error body."""
