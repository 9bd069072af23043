"""A loaded model on a socket: one thread, frames in, frames out, in the order they came.

The model runs on the event loop itself. A worker serves one model and has nothing else to do meanwhile, and a hand-over
to a thread would cost more (20-50 us) than most models take.
"""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import uvloop

from modelyard.dataplane.errors import ModelFailedError
from modelyard.dataplane.frames import (
    PROTOCOL_VERSION,
    Answer,
    Cancel,
    Draining,
    Failure,
    FrameInvalidError,
    FrameReader,
    Header,
    Hello,
    Infer,
    More,
    TensorHead,
    encode_frame,
    tensors_of,
)
from modelyard.dataplane.streams import Receiver, Streams
from modelyard.dataplane.tensors import WireTensor
from modelyard.dataplane.vitals import BEAT_SECONDS, HANG_SECONDS, LifeSigns
from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.runtimes.base import PredictionFailedError, Predictor, Tensors
from modelyard.runtimes.tensors import to_raw
from modelyard.runtimes.validate import check_inputs
from modelyard.types.signatures import Signature

_DRAIN_QUIET_SECONDS = 0.5
_DRAIN_LIMIT_SECONDS = 30.0


class ModelServer:
    """Answers Infer frames with one predictor.

    Args:
        signature: of the model.
        predictor: the model.
        is_pure: whether a batch may be sent twice.
        nan_free: float outputs that hold no NaN in any golden answer: one in them now is noted.
        hang_seconds: a batch that takes longer than this, and than its callers wait, ends the process with SIGALRM.
    """

    def __init__(
        self,
        signature: Signature,
        predictor: Predictor,
        *,
        is_pure: bool,
        nan_free: frozenset[str] = frozenset(),
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._signature = signature
        self._predictor = predictor
        self._connections: set[_Connection] = set()
        self._nan_free = nan_free
        self._hang_seconds = hang_seconds
        self._signs: LifeSigns | None = None  # while it runs
        self._streams = Streams(predictor, self)
        self._last_frame_at = 0.0
        self.is_draining = False
        self.hello = encode_frame(Hello(PROTOCOL_VERSION, os.getpid(), signature, is_pure))

    def run(self, address: str) -> None:
        """Serve until SIGTERM or SIGINT, then finish what was received.

        Raises:
            OSError: the address cannot be bound.
        """
        self._signs = signs = LifeSigns(address, self._hang_seconds)
        uvloop.run(self._run(address, signs))
        if "/" in address:
            Path(address).unlink(missing_ok=True)
        signs.close()

    def connected(self, connection: "_Connection") -> None:
        """A caller came."""
        self._connections.add(connection)

    def disconnected(self, connection: "_Connection") -> None:
        """A caller left."""
        self._connections.discard(connection)
        self._streams.forget(connection)

    def received(self, connection: Receiver, header: Header, body: memoryview) -> None:
        """A frame from a caller.

        Raises:
            FrameInvalidError: the caller sent something that only a worker may say, or a damaged frame.
        """
        self._last_frame_at = time.monotonic()
        if isinstance(header, Infer):
            tensors = tensors_of(header.inputs, body)
            answer = self._open(connection, header, tensors) if header.parts > 0 else self._answer(header, tensors)
            if answer is not None:
                connection.send(answer)
        elif isinstance(header, More):
            self._streams.allow(connection, header)
        elif isinstance(header, Cancel):
            self._streams.cancel(connection, header)
        else:
            raise FrameInvalidError(f"a caller sent '{type(header).__name__}'")

    def guarded(self, patience_seconds: float, step: Callable[[], Tensors | None]) -> Tensors | None:
        """See streams.Host."""
        if self._signs is None:
            return step()
        self._signs.begin_batch(patience_seconds)
        try:
            return step()
        finally:
            self._signs.end_batch()

    def failure(self, id: int, error: Exception) -> bytes:
        """The frame that says that `id` has no answer, and why."""
        if isinstance(error, PredictionFailedError):
            return encode_frame(Failure(id, ModelFailedError.code, error.message, error.hint))
        if isinstance(error, ModelyardError):
            is_input = isinstance(error, InvalidInputError)
            return encode_frame(Failure(id, error.code, error.message, error.hint, error.field, is_input))
        hint = "The model raised this on inputs that fit its signature; look at the replica's log."
        return encode_frame(Failure(id, ModelFailedError.code, f"{type(error).__name__}: {error}", hint))

    def _open(self, connection: Receiver, header: Infer, tensors: list[WireTensor]) -> bytes | None:
        """Begin a stream; the frame that says why if that is not possible."""
        try:
            self._streams.open(connection, header, self._inputs(header, tensors))
        except Exception as error:  # noqa: BLE001 - the caller gets the reason
            return self.failure(header.id, error)
        return None

    def _inputs(self, header: Infer, tensors: list[WireTensor]) -> Tensors:
        inputs = {tensor.name: tensor.to_array() for tensor in tensors}
        if not header.is_checked:
            check_inputs(self._signature, inputs)
        return inputs

    def _answer(self, header: Infer, tensors: list[WireTensor]) -> bytes:
        try:
            inputs = self._inputs(header, tensors)
            if self._signs is not None:
                self._signs.begin_batch(header.patience_seconds)
            started = time.perf_counter_ns()
            outputs = self._predictor.predict(inputs)
            service_us = (time.perf_counter_ns() - started) // 1000
            return _answer_frame(header.id, outputs, service_us, self.count_nan_rows(outputs))
        except Exception as error:  # noqa: BLE001 - the caller gets the reason; the worker serves the others
            return self.failure(header.id, error)
        finally:
            if self._signs is not None:
                self._signs.end_batch()

    def count_nan_rows(self, outputs: Tensors) -> int:
        """Rows with NaN in an output that should have none."""
        most = 0
        for name in self._nan_free & outputs.keys():
            is_nan = np.isnan(outputs[name])
            if is_nan.any():
                if self._signs is not None:
                    self._signs.note_nan(name)
                most = max(most, int(is_nan.reshape(len(is_nan), -1).any(axis=1).sum()) if is_nan.ndim else 1)
        return most

    async def _beat(self, signs: LifeSigns) -> None:
        while True:
            signs.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def _run(self, address: str, signs: LifeSigns) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        beating = loop.create_task(self._beat(signs))
        server = await _listen(loop, lambda: _Connection(self), address)
        # Everything up to here lives as long as the process: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        sys.stdout.write(f"worker ready on {address}\n")
        sys.stdout.flush()
        await stop.wait()
        server.close()
        await self._drain()
        beating.cancel()

    async def _drain(self) -> None:
        """Wait until all callers have left, or none has sent anything for a while."""
        self.is_draining = True
        for connection in list(self._connections):
            connection.send(encode_frame(Draining()))
        started = self._last_frame_at = time.monotonic()
        while self._connections:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            is_quiet = not self._streams and now - self._last_moved_at() > _DRAIN_QUIET_SECONDS
            if is_quiet or now - started > _DRAIN_LIMIT_SECONDS:
                break
        for connection in list(self._connections):
            connection.close()
        await asyncio.sleep(0.01)

    def _last_moved_at(self) -> float:
        return max(self._last_frame_at, self._streams.moved_at)


class _Connection(asyncio.Protocol):
    """One caller."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._reader = FrameReader()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._server.connected(self)
        self.send(self._server.hello)
        if self._server.is_draining:
            self.send(encode_frame(Draining()))

    def connection_lost(self, _: Exception | None) -> None:
        self._server.disconnected(self)

    def data_received(self, data: bytes) -> None:
        try:
            for header, body in self._reader.feed(data):
                self._server.received(self, header, body)
        except FrameInvalidError as error:
            sys.stderr.write(f"worker: dropped a connection: {error.message}\n")
            self._transport.close()

    def send(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def close(self) -> None:
        self._transport.close()


def _answer_frame(id: int, outputs: Tensors, service_us: int, nan_rows: int) -> bytes:
    raw = [to_raw(name, array) for name, array in outputs.items()]
    heads = tuple(TensorHead(t.name, t.datatype, t.shape, len(t.data)) for t in raw)
    return encode_frame(Answer(id, heads, service_us, nan_rows), (t.data for t in raw))


async def _listen(
    loop: asyncio.AbstractEventLoop, factory: Callable[[], asyncio.Protocol], address: str
) -> asyncio.AbstractServer:
    if "/" not in address:
        host, _, port = address.rpartition(":")
        return await loop.create_server(factory, host or "127.0.0.1", int(port))
    previous = os.umask(0o177)  # the socket is for this user alone from its first moment
    try:
        return await loop.create_unix_server(factory, address)
    finally:
        os.umask(previous)
