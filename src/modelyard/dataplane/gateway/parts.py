"""An answer in parts, whatever protocol it goes out by: what is written, counted and captured of it."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from modelyard.dataplane.gateway.access import Caller as TokenHolder
from modelyard.dataplane.gateway.dialect import StreamCall, StreamWriter
from modelyard.dataplane.gateway.fleet import Endpoint
from modelyard.dataplane.gateway.inference import Inference, is_sampled
from modelyard.dataplane.gateway.requests import Served, StreamRequest
from modelyard.dataplane.tensors import OutputRows, joined_texts, whole
from modelyard.errors import InternalError
from modelyard.runtimes.base import Ending
from modelyard.types.signatures import DataType

_Written = TypeVar("_Written")
_logger = logging.getLogger(__name__)


class StreamedAnswer:
    """One answer from its first part to its end. It keeps its text for the capture, if it is sampled, and nothing else.

    Attributes:
        inference_id: its id.
        view: who gives it.
        writer: turns parts into what the caller asked for.

    Raises:
        InternalError: it could not be written.
    """

    def __init__(
        self,
        inference: Inference,
        endpoint: Endpoint,
        holder: TokenHolder,
        request: StreamRequest,
        served: Served,
        received_bytes: int,
    ) -> None:
        self.inference_id = inference.new_id()
        self.view = inference.view(endpoint, served)
        self._inference, self._endpoint, self._holder = inference, endpoint, holder
        self._request, self._served = request, served
        call = request.call
        assert isinstance(call, StreamCall)  # noqa: S101 - a stream request is made of one
        self.writer: StreamWriter = _written(lambda: call.writer(self.inference_id, self.view.context))
        is_text = all(spec.datatype is DataType.BYTES for spec in served.signature.outputs)
        is_kept = is_text and endpoint.capture_share > 0.0 and is_sampled(endpoint.capture_share)
        self._kept: list[Sequence[OutputRows]] | None = [] if is_kept else None
        self._kept_bytes = 0
        self.view.traffic.answered(0, received_bytes, 0)

    def part(self, outputs: Sequence[OutputRows]) -> bytes:
        """A part, written.

        Raises:
            InternalError: it could not be.
        """
        if self._kept is not None:
            self._kept.append(outputs)
            self._kept_bytes += sum(len(rows.data) for rows in outputs)
            if self._kept_bytes > self._inference.limits.max_request_bytes:
                self._kept = None
        return self._sent(_written(lambda: self.writer.part(outputs)))

    def end(self, ending: Ending) -> bytes:
        """The end, written; the answer is counted and captured.

        Raises:
            InternalError: it could not be written.
        """
        content = _written(lambda: self.writer.end(ending))
        request = self._request
        seconds = time.monotonic() - request.arrived_at
        self.view.figures.answered(seconds, request.call.rows)
        self.view.traffic.answered(request.call.rows, 0, 0)
        if self._kept:
            outputs = [whole(joined_texts(column)) for column in zip(*self._kept, strict=True)]
            self._inference.capture(
                self._endpoint, self._holder, request, outputs, self._served, self.inference_id, seconds
            )
        return self._sent(content)

    def _sent(self, content: bytes) -> bytes:
        self.view.traffic.answered(0, 0, len(content))
        return content


def _written(write: Callable[[], _Written]) -> _Written:
    try:
        return write()
    except Exception as error:
        _logger.exception("a part of an answer could not be written")
        raise InternalError("the model's answer could not be written", hint="See the gateway's log.") from error
