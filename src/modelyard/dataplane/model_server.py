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
    Draining,
    Failure,
    FrameInvalidError,
    FrameReader,
    Header,
    Hello,
    Infer,
    TensorHead,
    encode_frame,
    tensors_of,
)
from modelyard.dataplane.vitals import BEAT_SECONDS, HANG_SECONDS, LifeSigns
from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.runtimes.base import PredictionFailedError, Predictor, Tensors
from modelyard.runtimes.tensors import raw_elements
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
        self._last_frame_at = 0.0
        self.is_draining = False
        self.spent_ns = 0  # on batches of all callers
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

    def answer(self, header: Header, body: memoryview, others_us: int = 0) -> bytes:
        """The frame that answers `header`; `others_us`: see Answer.

        Raises:
            FrameInvalidError: the caller sent something that only a worker may say, or a damaged frame.
        """
        if not isinstance(header, Infer):
            raise FrameInvalidError(f"a caller sent '{type(header).__name__}'")
        self._last_frame_at = time.monotonic()
        tensors = tensors_of(header.inputs, body)
        try:
            inputs = {tensor.name: tensor.to_array() for tensor in tensors}
            if not header.is_checked:
                check_inputs(self._signature, inputs)
            if self._signs is not None:
                self._signs.begin_batch(header.patience_seconds)
            started = time.perf_counter_ns()
            outputs = self._predictor.predict(inputs)
            service_us = (time.perf_counter_ns() - started) // 1000
            return _answer_frame(header.id, outputs, service_us, self._nan_rows(outputs), others_us)
        except PredictionFailedError as error:
            return encode_frame(Failure(header.id, ModelFailedError.code, error.message, error.hint))
        except ModelyardError as error:
            is_input = isinstance(error, InvalidInputError)
            return encode_frame(Failure(header.id, error.code, error.message, error.hint, error.field, is_input))
        except Exception as error:  # noqa: BLE001 - the caller gets the reason; the worker serves the others
            hint = "The model raised this on inputs that fit its signature; look at the replica's log."
            return encode_frame(Failure(header.id, ModelFailedError.code, f"{type(error).__name__}: {error}", hint))
        finally:
            if self._signs is not None:
                self._signs.end_batch()

    def _nan_rows(self, outputs: Tensors) -> int:
        """Rows with NaN in an output that should have none."""
        most = 0
        for name in self._nan_free:
            output = outputs.get(name)
            if output is None or not np.isnan(np.vdot(output, output)):  # squares have no NaN unless their roots have
                continue
            is_nan = np.isnan(output)
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
            if now - self._last_frame_at > _DRAIN_QUIET_SECONDS or now - started > _DRAIN_LIMIT_SECONDS:
                break
        for connection in list(self._connections):
            connection.close()
        await asyncio.sleep(0.01)


class _Connection(asyncio.Protocol):
    """One caller."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._reader = FrameReader()
        self._transport: asyncio.Transport
        self._spent_before_ns = server.spent_ns

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
                self.send(self._answer(header, body))
        except FrameInvalidError as error:
            sys.stderr.write(f"worker: dropped a connection: {error.message}\n")
            self._transport.close()

    def _answer(self, header: Header, body: memoryview) -> bytes:
        server, started = self._server, time.perf_counter_ns()
        frame = server.answer(header, body, (server.spent_ns - self._spent_before_ns) // 1000)
        server.spent_ns += time.perf_counter_ns() - started
        self._spent_before_ns = server.spent_ns
        return frame

    def send(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def close(self) -> None:
        self._transport.close()


def _answer_frame(id: int, outputs: Tensors, service_us: int, nan_rows: int, others_us: int) -> bytes:
    heads, chunks = [], []
    for name, array in outputs.items():
        datatype, data = raw_elements(array)
        heads.append(TensorHead(name, datatype, array.shape, len(data)))
        chunks.append(data)
    return encode_frame(Answer(id, tuple(heads), service_us, nan_rows, others_us), chunks)


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
