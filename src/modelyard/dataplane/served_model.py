"""A loaded model on a socket: frames in, frames out, in the order they came.

The model runs on the event loop itself. A hand-over to a thread would cost more (20-50 us) than most models take.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np

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
    described,
    encode_frame,
    tensors_of,
)
from modelyard.dataplane.streams import Streams
from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.kit.handover import receive, receiver
from modelyard.runtimes.base import PredictionFailedError, Predictor, Tensors
from modelyard.runtimes.validate import check_inputs
from modelyard.types.signatures import Signature

_DRAIN_QUIET_SECONDS = 0.5
_DRAIN_LIMIT_SECONDS = 30.0


class BatchSigns(Protocol):
    """Hears of every batch, so that one that hangs ends the process."""

    def begin_batch(self, patience_seconds: float) -> None:
        """A batch begins, whose callers wait so long."""

    def end_batch(self) -> None:
        """It is answered."""

    def note_nan(self, output: str) -> None:
        """NaN stands in an output that should have none."""


class ModelConnection(Protocol):
    """A caller of one model, over a socket of the model or over a channel of a shared one."""

    @property
    def channel(self) -> int:
        """Its number; 0 on a socket of the model."""

    def send(self, frame: bytes) -> None:
        """Send a frame."""

    def close(self) -> None:
        """Let it go."""


class ServedModel:
    """Answers Infer frames with one predictor.

    Args:
        signature: of the model.
        predictor: the model.
        is_pure: whether a batch may be sent twice.
        nan_free: float outputs that hold no NaN in any golden answer: one in them now is noted.
        signs: hears of every batch; may be set later.
    """

    def __init__(
        self,
        signature: Signature,
        predictor: Predictor,
        *,
        is_pure: bool,
        nan_free: frozenset[str] = frozenset(),
        signs: BatchSigns | None = None,
    ) -> None:
        self._signature = signature
        self._predictor = predictor
        self._nan_free = nan_free
        self._connections: set[ModelConnection] = set()
        self._streams = Streams(predictor, self)
        self._server: asyncio.AbstractServer | None = None
        self._arriving: set[asyncio.Task[object]] = set()
        self._last_frame_at = 0.0
        self.signs = signs
        self.is_draining = False
        self._is_pure = is_pure

    async def listen(self, address: str) -> None:
        """Take callers.

        Raises:
            OSError: the address cannot be bound.
        """
        self._server = await listen(address, lambda: _Connection(self))

    def take_handed_over(self, path: str) -> None:
        """Take callers whose connections another process accepted.

        Raises:
            OSError: the path cannot be bound.
        """
        loop, receiving = asyncio.get_running_loop(), receiver(path)

        def take() -> None:
            with suppress(OSError):
                for connection in receive(receiving):
                    task = loop.create_task(loop.connect_accepted_socket(lambda: _Connection(self), connection))
                    self._arriving.add(task)
                    task.add_done_callback(self._arriving.discard)

        loop.add_reader(receiving, take)

    async def drain(self, address: str) -> None:
        """Take no new caller; wait until all have left, or none has sent anything for a while; remove the socket."""
        if self._server is not None:
            self._server.close()
        self.is_draining = True
        for connection in list(self._connections):
            connection.send(encode_frame(Draining(connection.channel)))
        started = self._last_frame_at = time.monotonic()
        while self._connections:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            moved_at = max(self._last_frame_at, self._streams.moved_at)
            is_quiet = not self._streams and now - moved_at > _DRAIN_QUIET_SECONDS
            if is_quiet or now - started > _DRAIN_LIMIT_SECONDS:
                break
        for connection in list(self._connections):
            connection.close()
        await asyncio.sleep(0.01)
        if "/" in address:
            _remove(address)

    def connected(self, connection: "ModelConnection") -> None:
        """A caller came; it is greeted."""
        self._connections.add(connection)
        hello = Hello(PROTOCOL_VERSION, os.getpid(), self._signature, self._is_pure, connection.channel)
        connection.send(encode_frame(hello))
        if self.is_draining:
            connection.send(encode_frame(Draining(connection.channel)))

    def disconnected(self, connection: "ModelConnection") -> None:
        """A caller left."""
        self._connections.discard(connection)
        self._streams.forget(connection)

    def received(self, connection: ModelConnection, header: Header, body: memoryview, others_us: int = 0) -> None:
        """A frame from a caller; `others_us`: see frames.Answer.

        Raises:
            FrameInvalidError: the caller sent something that only a worker may say, or a damaged frame.
        """
        self._last_frame_at = time.monotonic()
        if isinstance(header, Infer):
            tensors = tensors_of(header.inputs, body)
            if header.parts > 0:
                self._open(connection, header, tensors)
            else:
                connection.send(self._answer(header, tensors, others_us))
        elif isinstance(header, More):
            self._streams.allow(connection, header)
        elif isinstance(header, Cancel):
            self._streams.cancel(connection, header)
        else:
            raise FrameInvalidError(f"a caller sent '{type(header).__name__}'")

    def guarded(self, patience_seconds: float, step: Callable[[], Tensors | None]) -> Tensors | None:
        """See streams.Host."""
        if self.signs is None:
            return step()
        self.signs.begin_batch(patience_seconds)
        try:
            return step()
        finally:
            self.signs.end_batch()

    def failure(self, id: int, error: Exception) -> bytes:
        """The frame that says that `id` has no answer, and why."""
        if isinstance(error, PredictionFailedError):
            return encode_frame(Failure(id, ModelFailedError.code, error.message, error.hint))
        if isinstance(error, ModelyardError):
            is_input = isinstance(error, InvalidInputError)
            return encode_frame(Failure(id, error.code, error.message, error.hint, error.field, is_input))
        hint = "The model raised this on inputs that fit its signature; look at the replica's log."
        return encode_frame(Failure(id, ModelFailedError.code, f"{type(error).__name__}: {error}", hint))

    def _open(self, connection: ModelConnection, header: Infer, tensors: list[WireTensor]) -> None:
        """Begin a stream, or say why that is not possible."""
        try:
            self._streams.open(connection, header, self._inputs(header, tensors))
        except Exception as error:  # noqa: BLE001 - the caller gets the reason
            connection.send(self.failure(header.id, error))

    def _inputs(self, header: Infer, tensors: list[WireTensor]) -> Tensors:
        inputs = {tensor.name: tensor.to_array() for tensor in tensors}
        if not header.is_checked:
            check_inputs(self._signature, inputs)
        return inputs

    def _answer(self, header: Infer, tensors: list[WireTensor], others_us: int) -> bytes:
        try:
            inputs = self._inputs(header, tensors)
            if self.signs is not None:
                self.signs.begin_batch(header.patience_seconds)
            started = time.perf_counter_ns()
            outputs = self._predictor.predict(inputs)
            service_us = (time.perf_counter_ns() - started) // 1000
            return _answer_frame(header.id, outputs, service_us, self.count_nan_rows(outputs), others_us)
        except Exception as error:  # noqa: BLE001 - the caller gets the reason; the worker serves the others
            return self.failure(header.id, error)
        finally:
            if self.signs is not None:
                self.signs.end_batch()

    def count_nan_rows(self, outputs: Tensors) -> int:
        """Rows with NaN in an output that should have none."""
        most = 0
        for name in self._nan_free:
            output = outputs.get(name)
            if output is None or not np.isnan(np.vdot(output, output)):  # squares have no NaN unless their roots have
                continue
            is_nan = np.isnan(output)
            if self.signs is not None:
                self.signs.note_nan(name)
            most = max(most, int(is_nan.reshape(len(is_nan), -1).any(axis=1).sum()) if is_nan.ndim else 1)
        return most


class Turns:
    """The frames of one caller; between them the process may have worked for others."""

    _spent_ns = 0  # of this process, for all callers and models

    def __init__(self) -> None:
        self._seen_ns = Turns._spent_ns

    def take(self, model: ServedModel, connection: ModelConnection, header: Header, body: memoryview) -> None:
        """See ServedModel.received."""
        started = time.perf_counter_ns()
        model.received(connection, header, body, (Turns._spent_ns - self._seen_ns) // 1000)
        Turns._spent_ns += time.perf_counter_ns() - started
        self._seen_ns = Turns._spent_ns


class _Connection(asyncio.Protocol):
    """One caller."""

    channel = 0

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._turns = Turns()
        self._reader = FrameReader()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._model.connected(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._model.disconnected(self)

    def data_received(self, data: bytes) -> None:
        try:
            for header, body in self._reader.feed(data):
                self._turns.take(self._model, self, header, body)
        except FrameInvalidError as error:
            sys.stderr.write(f"worker: dropped a connection: {error.message}\n")
            self._transport.close()

    def send(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def close(self) -> None:
        self._transport.close()


def _answer_frame(id: int, outputs: Tensors, service_us: int, nan_rows: int, others_us: int) -> bytes:
    heads, chunks = described(outputs)
    return encode_frame(Answer(id, heads, service_us, nan_rows, others_us), chunks)


def _remove(address: str) -> None:
    Path(address).unlink(missing_ok=True)


async def listen(address: str, factory: Callable[[], asyncio.Protocol]) -> asyncio.AbstractServer:
    """Take connections at a Unix socket, or at host:port.

    Raises:
        OSError: the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    if "/" not in address:
        host, _, port = address.rpartition(":")
        return await loop.create_server(factory, host or "127.0.0.1", int(port))
    previous = os.umask(0o177)  # the socket is for this user alone from its first moment
    try:
        return await loop.create_unix_server(factory, address)
    finally:
        os.umask(previous)
