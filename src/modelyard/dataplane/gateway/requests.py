"""A request on its way through a queue and a batch, whatever protocol it came by."""

from collections.abc import Sequence
from typing import Protocol

from modelyard.dataplane.gateway.dialect import InferenceCall
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import ModelyardError
from modelyard.types.signatures import Signature


class Served(Protocol):
    """The variant that answered, as far as an answer shows it."""

    name: str
    model: str
    number: int
    signature: Signature


class Caller(Protocol):
    """Gets exactly one of the two for each of its requests, unless it cancelled it."""

    def answered(self, request: "PendingRequest", outputs: Sequence[OutputRows], served: Served) -> None:
        """The model's outputs for this request's rows."""

    def failed(self, request: "PendingRequest", error: ModelyardError) -> None:
        """There will be no answer."""


class PendingRequest:
    """One inference request between its arrival and its answer. Times are `time.monotonic()` seconds.

    Attributes:
        token_id: of whoever sent it; each token has a line of its own.
        attempts: how many replicas were lost with it.
        model_us: what the model took for its batch, once it is answered.
        is_done: answered, failed or cancelled: nobody waits for it any more.
    """

    __slots__ = ("arrived_at", "attempts", "call", "caller", "deadline", "is_done", "model_us", "sent_at", "token_id")

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


class Batch:
    """Requests that travel as one frame; `rows[i]` belong to `requests[i]`."""

    __slots__ = ("is_alone", "requests", "rows", "sent_at")

    def __init__(self, requests: list[PendingRequest], sent_at: float, *, is_alone: bool = False) -> None:
        self.requests = requests
        self.rows = [request.call.rows for request in requests]
        self.sent_at = sent_at
        self.is_alone = is_alone
        for request in requests:
            request.sent_at = sent_at
