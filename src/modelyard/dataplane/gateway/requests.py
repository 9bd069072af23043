"""A request on its way through a queue and a batch, whatever protocol it came by."""

import math
import time
from collections.abc import Sequence
from typing import Protocol

from modelyard.dataplane.gateway.dialect import InferenceCall
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Ending
from modelyard.types.serving.answers import AnswerForm
from modelyard.types.signatures import Signature

STREAM_PARTS = 16
"""Parts of one answer that a worker makes before the client has taken any: all that is ever kept of a stream."""


class Served(Protocol):
    """The variant that answered, as far as an answer shows it."""

    name: str
    model: str
    number: int
    signature: Signature
    answers: AnswerForm
    title: str


class Caller(Protocol):
    """Gets exactly one of the two for each of its requests, unless it cancelled it."""

    @property
    def traceparent(self) -> bytes:
        """The header of this name as it was sent; empty if there was none. Read only for what is captured."""

    def answered(self, request: "PendingRequest", outputs: Sequence[OutputRows], served: Served) -> None:
        """The model's outputs for this request's rows."""

    def failed(self, request: "PendingRequest", error: ModelyardError) -> None:
        """There will be no answer."""


class StreamReader(Caller, Protocol):
    """The caller of a stream: gets parts, and at last exactly one of `ended` and `failed`, unless it cancelled it."""

    def part(self, request: "StreamRequest", outputs: Sequence[OutputRows], served: Served) -> None:
        """The next part; `request.took` says that it is out of the way."""

    def ended(self, request: "StreamRequest", ending: Ending, served: Served) -> None:
        """The answer is complete."""


class PartSource(Protocol):
    """The replica that makes the parts of a stream."""

    def more(self, parts: int) -> None:
        """So many further ones are taken."""

    def stop(self) -> None:
        """No further one is; nothing happens if the last one was made already."""


class PendingRequest:
    """One inference request between its arrival and its answer. Times are `time.monotonic()` seconds.

    Attributes:
        token_id: of whoever sent it; each token has a line of its own.
        attempts: how many replicas were lost with it.
        model_us: what the model took for its batch, once it is answered.
        is_done: answered, failed or cancelled: nobody waits for it any more.
    """

    __slots__ = ("arrived_at", "attempts", "call", "caller", "deadline", "is_done", "model_us", "sent_at", "token_id")

    caller: Caller

    def __init__(
        self, call: InferenceCall, caller: Caller, arrived_at: float, deadline: float, token_id: str = ""
    ) -> None:
        self.call = call
        self.token_id = token_id
        self.caller = caller
        self.arrived_at = arrived_at
        self.deadline = deadline
        self.sent_at = arrived_at
        self.attempts = 0
        self.model_us = 0
        self.is_done = False

    def cancel(self) -> None:
        """Nobody waits for the answer any more: it is not computed if it was not yet sent, and dropped if it was."""
        self.is_done = True

    def answer(self, outputs: Sequence[OutputRows], served: Served) -> None:
        """Pass the outputs on, once."""
        if not self.is_done:
            self.is_done = True
            self.caller.answered(self, outputs, served)

    def fail(self, error: ModelyardError) -> None:
        """Pass the error on, once."""
        if not self.is_done:
            self.is_done = True
            self.caller.failed(self, error)


class StreamRequest(PendingRequest):
    """A request whose answer comes in parts. Its deadline moves with each of them.

    Attributes:
        parts: how many have come.
        patience_seconds: the longest silence.
        stopped_at: when the replica was told to make no further part; infinity until then.
    """

    __slots__ = ("_allowed", "_longest_seconds", "_source", "_taken", "parts", "patience_seconds", "stopped_at")

    caller: StreamReader

    def __init__(
        self,
        call: InferenceCall,
        caller: StreamReader,
        arrived_at: float,
        patience_seconds: float,
        longest_seconds: float,
        token_id: str,
    ) -> None:
        super().__init__(call, caller, arrived_at, arrived_at + patience_seconds, token_id)
        self.patience_seconds = patience_seconds
        self.parts = 0
        self.stopped_at = math.inf
        self._longest_seconds = longest_seconds  # how long a client may leave what it was sent unread
        self._source: PartSource | None = None
        self._allowed = STREAM_PARTS
        self._taken = 0

    def begin(self, source: PartSource) -> None:
        """It was sent to `source`, which may make STREAM_PARTS parts."""
        self._source = source
        self._allowed, self._taken = STREAM_PARTS, 0

    def part(self, outputs: Sequence[OutputRows], served: Served) -> None:
        """Pass a part on."""
        if not self.is_done:
            self.parts += 1
            self._allowed -= 1
            self._expect()
            self.caller.part(self, outputs, served)

    def took(self, parts: int) -> None:
        """The client has taken so many: as many further ones may be made. Told to the replica now and then only."""
        self._taken += parts
        if self._source is not None and not self.is_done and self._taken >= STREAM_PARTS // 2:
            self._source.more(self._taken)
            self._allowed += self._taken
            self._taken = 0
            self._expect()

    def end(self, ending: Ending, served: Served) -> None:
        """Pass the end on, once."""
        self._source = None
        if not self.is_done:
            self.is_done = True
            self.caller.ended(self, ending, served)

    def cancel(self) -> None:
        """See PendingRequest: the worker is told to make no further part."""
        self._stop()
        super().cancel()

    def fail(self, error: ModelyardError) -> None:
        """See PendingRequest."""
        self._stop()
        super().fail(error)

    def _stop(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            self.stopped_at = time.monotonic()
            source.stop()

    def _expect(self) -> None:
        """The next part must come in time, unless it is the client that keeps it from being made."""
        seconds = self.patience_seconds if self._allowed > 0 else self._longest_seconds
        self.deadline = time.monotonic() + seconds


class Batch:
    """Requests that travel as one frame; `rows[i]` belong to `requests[i]`.

    Attributes:
        stream: the only request in it, if that is answered in parts.
    """

    __slots__ = ("is_alone", "requests", "rows", "sent_at", "stream")

    def __init__(self, requests: list[PendingRequest], sent_at: float, *, is_alone: bool = False) -> None:
        self.requests = requests
        self.rows = [request.call.rows for request in requests]
        self.sent_at = sent_at
        self.is_alone = is_alone
        first = requests[0]
        self.stream = first if isinstance(first, StreamRequest) else None
        for request in requests:
            request.sent_at = sent_at

    @property
    def due_since(self) -> float:
        """Since when the replica owes its answer. Of a stream it owes none: it may be as long as it likes."""
        return self.sent_at if self.stream is None else self.stream.stopped_at
