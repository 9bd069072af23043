"""The contract of a wire format of inference (Open Inference Protocol v2, /invocations, ...): it parses and formats.

A dialect keeps no state about requests and does no input or output. All of it runs on the event loop's thread.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, NamedTuple, Protocol

import msgspec

from modelyard.dataplane.decoding.messages import Job
from modelyard.dataplane.errors import RouteNotFoundError
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Ending
from modelyard.types.serving.answers import AnswerForm
from modelyard.types.signatures import Signature
from modelyard.types.tensors import CapturedBodies

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
    INFER_NAMED = "infer_named"
    ENDPOINTS = "endpoints"
    STREAM = "stream"
    PAGE = "page"


class Target(NamedTuple):
    """A path, understood. `version` is a model version number or a variant name; empty: by traffic weights.

    `detail` is the dialect's own: which of several descriptions, which file of a page, or a name as it was sent.
    """

    operation: Operation
    endpoint: str = ""
    version: str = ""
    detail: str = ""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A formatted answer. `headers` are further header lines, each with its line end.

    `model_status`: what the model itself answered with, where `status` hides that.
    """

    content_type: bytes
    body: bytes
    headers: bytes = b""
    status: int = 200
    model_status: int = 0


class Refusal(NamedTuple):
    """An error as a format of its own has it; `headers` as in Reply."""

    status: int
    body: bytes
    headers: bytes = b""


class AnswerContext(NamedTuple):
    """Who answers: the same for all answers of a variant."""

    endpoint: str
    model: str
    version: str
    signature: Signature
    variant: str = ""
    answers: AnswerForm = AnswerForm.NAMED


class VersionView(NamedTuple):
    """A model version that an endpoint serves, and whether a replica of it takes requests."""

    number: str
    is_live: bool


class EndpointView(NamedTuple):
    """An endpoint, as far as a description shows it. `version` and `signature` are those of the version asked about."""

    name: str
    version: str
    versions: Sequence[VersionView]
    signature: Signature


class InferenceCall(ABC):
    """A parsed request: its tensors in the order of the signature's inputs, and how its answer is to be written.

    Attributes:
        inputs: checked against the signature: names, types, shapes, sizes, no value that the model does not take.
        rows: size of the batch dimension.
        timeout_seconds: how long the caller wants to wait at most; None: the gateway's default.
        is_stream: it is a StreamCall.
    """

    is_stream: ClassVar[bool] = False

    __slots__ = ("inputs", "rows", "timeout_seconds")

    inputs: tuple[WireTensor, ...]
    rows: int
    timeout_seconds: float | None

    @abstractmethod
    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """The answer as the caller asked for it; `outputs` hold exactly this request's rows."""

    def bodies(self, reply: Reply) -> CapturedBodies | None:
        """What was sent and answered, where a capture shall have that too; asked only for what is captured."""
        del reply
        return None


class StreamWriter(ABC):
    """Writes the answer to one request part by part.

    Attributes:
        content_type, headers: as in Reply; they go out before the first part.
    """

    content_type: bytes = b"text/event-stream; charset=utf-8"
    headers: bytes = b"cache-control: no-cache\r\n"

    @abstractmethod
    def part(self, outputs: Sequence[OutputRows]) -> bytes:
        """A part of the model's answer: all outputs, of texts only what is new."""

    @abstractmethod
    def end(self, ending: Ending) -> bytes:
        """What follows the last part."""

    @abstractmethod
    def failure(self, error_body: bytes) -> bytes:
        """What says that no further part will come; `error_body` is the uniform one with the dialect's fields."""


class StreamCall(InferenceCall):
    """A parsed request whose answer goes out in parts. Its timeout is for each of them: what counts is silence."""

    __slots__ = ()

    is_stream: ClassVar[bool] = True

    @abstractmethod
    def writer(self, inference_id: str, context: AnswerContext) -> StreamWriter:
        """What writes the answer."""

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall: all in one piece."""
        writer = self.writer(inference_id, context)
        return Reply(writer.content_type, writer.part(outputs) + writer.end(Ending()), writer.headers)


class UndecodedError(Exception):
    """Raised by `parse` for a body that takes a library which the gateway must not load (Parquet, images).

    The body is decoded in another process; `finish` makes the call of what comes back.
    """

    def __init__(self, job: Job, finish: Callable[[Sequence[WireTensor]], InferenceCall]) -> None:
        super().__init__(job.kind)
        self.job = job
        self.finish = finish


class Dialect(Protocol):
    """A wire format."""

    prefixes: tuple[str, ...]
    """Paths that start like this belong to the dialect, also those that it does not know ("/v2/")."""

    composes: bool
    """Signed requests for endpoints that the gateway does not serve are control's: they may be made of several."""

    def target(self, path: str) -> Target | None:
        """What `path` (percent-decoding done) asks for; None if nothing."""

    def leaves(self, path: str) -> bool:
        """True for a path that starts like the dialect's and is the control process's all the same."""

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """A request for a model of this signature.

        Raises:
            InvalidInputError: what is wrong, where, and what to send instead.
            UndecodedError: it must be decoded elsewhere first.
        """

    def locate(self, body: bytes) -> Target:
        """The INFER that an INFER_NAMED means: its body names the endpoint.

        Raises:
            InvalidInputError: it names none.
        """

    def describe_server(self) -> Mapping[str, object]:
        """Answer to SERVER_METADATA, JSON."""

    def describe_endpoints(self, endpoints: Sequence[EndpointView]) -> Mapping[str, object]:
        """Answer to ENDPOINTS, JSON."""

    def describe_endpoint(self, target: Target, endpoint: EndpointView) -> Mapping[str, object]:
        """Answer to ENDPOINT_METADATA, JSON."""

    def page(self, target: Target) -> Reply:
        """Answer to PAGE: the same for everybody, so it is given without a token.

        Raises:
            RouteNotFoundError: there is no such page.
        """

    def error_fields(self, error: ModelyardError) -> Mapping[str, object]:
        """What this format adds to the uniform error body."""

    def version(self, target: Target, headers: Headers) -> str:
        """The version or variant that a request asks for: the target's, unless a header names one."""

    def part(self, target: Target, headers: Headers) -> str:
        """The endpoint that answers in the target's place, where the gateway does not serve that one; empty: none."""

    def check_whole(self, target: Target, headers: Headers) -> None:
        """Nothing if a request for an endpoint that the gateway serves as it is names no part of it.

        Raises:
            RequestInvalidError: it names one.
        """

    def refusal(self, error: ModelyardError, headers: Headers) -> Refusal | None:
        """The whole answer that stands for an error, where the uniform one will not do."""


class PlainDialect:
    """What most dialects leave out: descriptions that no path of theirs asks for."""

    composes: bool = False

    def leaves(self, path: str) -> bool:
        """See Dialect: what starts like its paths is its own."""
        del path
        return False

    def locate(self, body: bytes) -> Target:
        """See Dialect."""
        del body
        raise RouteNotFoundError("this path names no endpoint", hint="See the reference of the REST API.")

    def describe_server(self) -> Mapping[str, object]:
        """See Dialect."""
        return {}

    def describe_endpoints(self, endpoints: Sequence[EndpointView]) -> Mapping[str, object]:
        """See Dialect."""
        return {"endpoints": [endpoint.name for endpoint in endpoints]}

    def describe_endpoint(self, target: Target, endpoint: EndpointView) -> Mapping[str, object]:
        """See Dialect."""
        del target
        return {"name": endpoint.name, "versions": [version.number for version in endpoint.versions]}

    def page(self, target: Target) -> Reply:
        """See Dialect."""
        raise RouteNotFoundError(f"there is no page '{target.detail[:80]}'", hint="See the reference of the REST API.")

    def error_fields(self, error: ModelyardError) -> Mapping[str, object]:
        """See Dialect: the uniform body says it all."""
        del error
        return {}

    def version(self, target: Target, headers: Headers) -> str:
        """See Dialect: what the path says."""
        del headers
        return target.version

    def part(self, target: Target, headers: Headers) -> str:
        """See Dialect: endpoints have no parts."""
        del target, headers
        return ""

    def check_whole(self, target: Target, headers: Headers) -> None:
        """See Dialect: no request names a part."""

    def refusal(self, error: ModelyardError, headers: Headers) -> Refusal | None:
        """See Dialect: the uniform one will do."""
        del error, headers
        return None
