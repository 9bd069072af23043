"""One inference request over HTTP and its place in the line of its connection."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from modelyard.dataplane.gateway.access import Caller
from modelyard.dataplane.gateway.dialect import Dialect, Headers, Target
from modelyard.dataplane.gateway.fleet import Endpoint
from modelyard.dataplane.gateway.http.parts import HttpStream
from modelyard.dataplane.gateway.requests import PendingRequest, Served, StreamRequest
from modelyard.dataplane.gateway.signing import Claim
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import ModelyardError
from modelyard.kit.traces import HEADER as TRACEPARENT
from modelyard.runtimes.base import Ending


class Connection(Protocol):
    """The connection that a request came by."""

    peer_host: str

    @property
    def is_closing_soon(self) -> bool:
        """True if it is closed after what is under way."""

    def advance(self) -> None:
        """Write the answers whose turn has come."""

    def refuse(self, error: ModelyardError) -> None:
        """Answer the request that is being received with `error` now, and take nothing more."""


class Service(Protocol):
    """What answers requests. `buffered_bytes`: of all their bodies that are held now."""

    max_request_bytes: int
    max_buffered_bytes: int
    buffered_bytes: int

    def refuse_size(self, exchange: "Exchange") -> None:
        """A body has become too large for the limit of one request, or for that of all."""

    def write_soon(self, connection: Connection) -> None:
        """Let a connection write its answers at the end of this turn of the event loop."""

    def answered(
        self, exchange: "Exchange", request: PendingRequest, outputs: Sequence[OutputRows], served: Served
    ) -> None:
        """Write an answer."""

    def part(self, exchange: "Exchange", request: StreamRequest, outputs: Sequence[OutputRows], served: Served) -> None:
        """Write a part of an answer."""

    def ended(self, exchange: "Exchange", request: StreamRequest, ending: Ending, served: Served) -> None:
        """Write the end of an answer in parts."""

    def fail(self, exchange: "Exchange", error: ModelyardError, request: PendingRequest | None = None) -> None:
        """Write an error."""


class Exchange(msgspec.Struct, eq=False):
    """A request from its headers to its answer. Made once a request, in 0.2 us where a plain class takes 0.4.

    Attributes:
        target, dialect: what the path asks for; `dialect` None: the gateway's own paths.
        error: why it will be refused once it has been read.
        is_last: the connection ends after the answer.
        claim: who says to have signed it; `caller` is known once the whole request has proven that.
        decoding: what makes tensors of a body that this process cannot read itself.
        payload: the answer, once it is known; written when the ones before it have been.
        stream: the answer as far as it has come, if it comes in parts.
        takes_chunks: the client knows HTTP/1.1.
    """

    _service: Service
    connection: Connection
    target: Target | None
    dialect: Dialect | None
    method: bytes
    fields: Headers
    url: bytes
    claim: Claim | None = None
    is_last: bool = False
    wants_continue: bool = False
    error: ModelyardError | None = None
    payload: bytes | None = None
    stream: HttpStream | None = None
    takes_chunks: bool = True
    caller: Caller | None = None
    endpoint: Endpoint | None = None
    decoding: asyncio.Task[None] | None = None
    request: PendingRequest | None = None
    received_bytes: int = 0
    _parts: list[bytes] = msgspec.field(default_factory=list)

    @property
    def traceparent(self) -> bytes:
        """See requests.Caller."""
        return self.fields.get(TRACEPARENT, b"")

    @property
    def body(self) -> bytes:
        """The body as far as it has come."""
        parts = self._parts
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def take(self, data: bytes) -> None:
        """A piece of the body; dropped if the request is refused anyway."""
        if self.error is None:
            service = self._service
            self.received_bytes += len(data)
            service.buffered_bytes += len(data)
            self._parts.append(data)
            if self.received_bytes > service.max_request_bytes or service.buffered_bytes > service.max_buffered_bytes:
                service.refuse_size(self)

    def respond(self, payload: bytes) -> None:
        """The answer."""
        self.payload = payload
        self.release()
        self._service.write_soon(self.connection)

    def written(self) -> None:
        """More of an answer in parts is there, or its end."""
        if self.stream is not None and self.stream.is_over:
            self.release()
        self._service.write_soon(self.connection)

    def abandon(self) -> None:
        """The client has gone."""
        if self.request is not None:
            self.request.cancel()
        elif self.decoding is not None:
            self.decoding.cancel()
        self.release()

    def release(self) -> None:
        """Give the body's memory back."""
        if self.received_bytes:
            self._service.buffered_bytes -= self.received_bytes
            self.received_bytes = 0
        self._parts = []
        self.request = None  # it points back here: without this every request would be garbage for the collector

    def answered(self, request: PendingRequest, outputs: Sequence[OutputRows], served: Served) -> None:
        """See requests.Caller."""
        self._service.answered(self, request, outputs, served)

    def failed(self, request: PendingRequest, error: ModelyardError) -> None:
        """See requests.Caller."""
        self._service.fail(self, error, request)

    def part(self, request: StreamRequest, outputs: Sequence[OutputRows], served: Served) -> None:
        """See requests.StreamReader."""
        self._service.part(self, request, outputs, served)

    def ended(self, request: StreamRequest, ending: Ending, served: Served) -> None:
        """See requests.StreamReader."""
        self._service.ended(self, request, ending, served)
