"""The streams of a worker: one part of each in turn, and only as many as their callers take."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from modelyard.dataplane.frames import Cancel, Ended, Infer, More, Partial, described, encode_frame
from modelyard.runtimes.base import Ending, Parts, Predictor, Tensor, Tensors


class Receiver(Protocol):
    """The connection that a stream goes out by."""

    def send(self, frame: bytes) -> None:
        """Send a frame."""


class Host(Protocol):
    """The server whose model the streams use."""

    def failure(self, id: int, error: Exception) -> bytes:
        """The frame that says that the stream `id` failed."""

    def guarded(self, patience_seconds: float, step: Callable[[], Tensors | None]) -> Tensors | None:
        """Run a step of the model under the alarm."""

    def count_nan_rows(self, outputs: Tensors) -> int:
        """Rows with NaN in an output that should have none."""


class _Stream:
    """One answer under way."""

    __slots__ = ("allowed", "id", "nan_rows", "parts", "patience_seconds", "receiver", "service_ns")

    def __init__(self, receiver: Receiver, request: Infer, parts: Parts) -> None:
        self.receiver = receiver
        self.id = request.id
        self.parts = parts
        self.allowed = request.parts
        self.patience_seconds = request.patience_seconds
        self.service_ns = self.nan_rows = 0


class Streams:
    """All streams of one worker, on its event loop. Between two parts the loop turns: nobody waits for a whole answer.

    Attributes:
        moved_at: when a part was last made (`time.monotonic()`).
    """

    def __init__(self, predictor: Predictor, host: Host) -> None:
        self._predictor = predictor
        self._host = host
        self._open: dict[tuple[Receiver, int], _Stream] = {}
        self._turns: deque[_Stream] = deque()
        self._is_step_due = False
        self.moved_at = 0.0

    def __len__(self) -> int:
        return len(self._open)

    def open(self, receiver: Receiver, request: Infer, inputs: Mapping[str, Tensor]) -> None:
        """Begin an answer in parts."""
        stream = _Stream(receiver, request, self._predictor.stream(inputs))
        self._open[receiver, request.id] = stream
        self._queue(stream)

    def allow(self, receiver: Receiver, more: More) -> None:
        """The caller takes further parts; nothing happens if the stream has ended meanwhile."""
        stream = self._open.get((receiver, more.id))
        if stream is not None:
            was_waiting = stream.allowed <= 0
            stream.allowed += more.parts
            if was_waiting and stream.allowed > 0:
                self._queue(stream)

    def cancel(self, receiver: Receiver, cancel: Cancel) -> None:
        """End a stream early."""
        stream = self._open.get((receiver, cancel.id))
        if stream is not None:
            self._close(stream)
            self._finish(stream, Ending(finish_reason="cancelled"))

    def forget(self, receiver: Receiver) -> None:
        """A caller has left: what it read is not made any more."""
        for stream in [stream for (reader, _), stream in self._open.items() if reader is receiver]:
            self._close(stream)

    def _queue(self, stream: _Stream) -> None:
        self._turns.append(stream)
        if not self._is_step_due:
            self._is_step_due = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        """The next part of the stream whose turn it is."""
        self._is_step_due = False
        stream = self._turns.popleft()
        if (stream.receiver, stream.id) in self._open:
            self._advance(stream)
        if self._turns and not self._is_step_due:
            self._is_step_due = True
            asyncio.get_running_loop().call_soon(self._step)

    def _advance(self, stream: _Stream) -> None:
        started = time.perf_counter_ns()
        try:
            part = self._host.guarded(stream.patience_seconds, lambda: next(stream.parts))
            stream.service_ns += time.perf_counter_ns() - started
            if part is not None:
                self._send(stream, part)
        except StopIteration as end:
            stream.service_ns += time.perf_counter_ns() - started
            self._close(stream)
            self._finish(stream, end.value or Ending())
            return
        except Exception as error:  # noqa: BLE001 - the caller gets the reason; the worker serves the others
            self._close(stream)
            stream.receiver.send(self._host.failure(stream.id, error))
            return
        if stream.allowed > 0:
            self._queue(stream)

    def _send(self, stream: _Stream, part: Tensors) -> None:
        heads, chunks = described(part)
        service_us, stream.service_ns = stream.service_ns // 1000, 0
        stream.receiver.send(encode_frame(Partial(stream.id, heads, service_us), chunks))
        stream.nan_rows += self._host.count_nan_rows(part)
        stream.allowed -= 1
        self.moved_at = time.monotonic()

    def _finish(self, stream: _Stream, ending: Ending) -> None:
        frame = Ended(
            stream.id,
            stream.service_ns // 1000,
            ending.finish_reason,
            ending.prompt_tokens,
            ending.completion_tokens,
            stream.nan_rows,
        )
        stream.receiver.send(encode_frame(frame))

    def _close(self, stream: _Stream) -> None:
        """Forget a stream; its model hears of it as GeneratorExit."""
        del self._open[stream.receiver, stream.id]
        with suppress(Exception):  # whatever it raises while it is told to end, nobody waits for it any more
            self._host.guarded(stream.patience_seconds, stream.parts.close)
