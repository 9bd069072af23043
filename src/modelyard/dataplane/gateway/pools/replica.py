"""The gateway's connection to one worker: connects, sends batches, matches answers, connects again."""

import asyncio
import logging
import time
from typing import Protocol

from modelyard.dataplane.frames import (
    PROTOCOL_VERSION,
    Answer,
    Cancel,
    Draining,
    Ended,
    Failure,
    FrameInvalidError,
    FrameReader,
    Header,
    Hello,
    Infer,
    More,
    Partial,
    TensorHead,
    encode_frame,
    heads_of,
    tensors_of,
)
from modelyard.dataplane.gateway.pools.lines import Channel, Lines
from modelyard.dataplane.gateway.requests import STREAM_PARTS, Batch, StreamRequest
from modelyard.dataplane.tensors import WireTensor
from modelyard.kit.handover import first_line, notice_loss, split_address
from modelyard.types.routing import PLACE_SEPARATOR, RouteReplica
from modelyard.types.signatures import Signature

_HELLO_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 0.02
_LAST_RETRY_SECONDS = 0.2
_CONNECTING = "it is being connected"
_logger = logging.getLogger(__name__)


class ReplicaOwner(Protocol):
    """The pool that a replica works for.

    A batch that was sent ends in exactly one of `replica_lost`, `batch_answered`, `stream_ended` and `batch_failed`.
    """

    def replica_ready(self) -> None:
        """A replica can take batches now."""

    def replica_lost(self, replica: "ReplicaLink", batches: list[Batch]) -> None:
        """Its connection ended with these batches unanswered; it connects again by itself unless it was drained."""

    def batch_answered(self, replica: "ReplicaLink", batch: Batch, outputs: list[WireTensor], answer: Answer) -> None:
        """Outputs of the whole batch, and what the worker says of the time it took."""

    def part_answered(self, replica: "ReplicaLink", batch: Batch, outputs: list[WireTensor], service_us: int) -> None:
        """The next part of a stream, and the time that the model took for it."""

    def stream_ended(self, replica: "ReplicaLink", batch: Batch, ended: Ended) -> None:
        """A stream is complete."""

    def batch_failed(self, batch: Batch, failure: Failure) -> None:
        """The model, or the worker, refused the batch."""

    def nan_answered(self, rows: int) -> None:
        """That many rows of the batch that is answered next hold NaN where the golden answers have none."""


class ReplicaLink:
    """One replica, seen from the gateway.

    Attributes:
        is_ready: connected, greeted, and not asked to stop.
        reason: why it is not ready, in words.
        in_flight: batches sent and not answered, by frame id.
        free_at: when its last answer came (`time.monotonic()`).
        streams: how many of the batches in flight are streams: they leave room for others beside them.
    """

    def __init__(self, replica: RouteReplica, signature: Signature, owner: ReplicaOwner, lines: Lines) -> None:
        self.replica = replica
        self._lines = lines
        self.is_ready = False
        self.is_retired = False
        self.reason = _CONNECTING
        self.in_flight: dict[int, Batch] = {}
        self.free_at = 0.0
        self.streams = 0
        self._signature = signature
        self._owner = owner
        self._last_id = 0
        self._connection: _Connection | Channel | None = None
        self._task = asyncio.get_running_loop().create_task(self._stay_connected())

    @property
    def is_held_up(self) -> bool:
        """True while its host has enough to do for others; the owner hears when that is over."""
        return self._connection is not None and self._connection.is_busy

    @property
    def has_isolated_batch(self) -> bool:
        """True while a request that already took one replica down is tried here by itself."""
        return any(batch.is_alone for batch in self.in_flight.values())

    @property
    def is_settled(self) -> bool:
        """True once it was reached, or could not be."""
        return self.reason != _CONNECTING

    def send(self, batch: Batch) -> None:
        """Send a batch; the owner hears of its end."""
        self._last_id += 1
        self.in_flight[self._last_id] = batch
        calls = [request.call for request in batch.requests]
        if len(calls) == 1:
            inputs = calls[0].inputs
            heads = heads_of(inputs)
            chunks = [t.data for t in inputs]
        else:
            chunks, rows, described = [], sum(batch.rows), []
            for index, first in enumerate(calls[0].inputs):
                parts = [call.inputs[index].data for call in calls]
                shape = (rows, *first.shape[1:])
                described.append(TensorHead(first.name, first.datatype, shape, sum(map(len, parts))))
                chunks += parts
            heads = tuple(described)
        assert self._connection is not None  # noqa: S101 - it is ready
        patience = max(request.deadline for request in batch.requests) - batch.sent_at
        allowed = self._begin(batch.stream) if batch.stream is not None else 0
        frame = encode_frame(Infer(self._last_id, heads, True, patience, allowed), chunks)
        self._connection.send(frame, self._last_id)

    def may_send(self) -> None:
        """See LineUser."""
        self._owner.replica_ready()

    def retire(self) -> None:
        """Take nothing new; disconnect once everything in flight is answered."""
        self.is_ready = False
        self.is_retired = True
        self.reason = "it is being replaced"
        if not self.in_flight:
            self.close()

    def close(self) -> None:
        """Disconnect now and for good."""
        self.is_ready = False
        self.is_retired = True
        self._task.cancel()
        if self._connection is not None:
            self._connection.close()

    def reset(self, reason: str) -> None:
        """Drop a connection that does not answer; its batches are lost."""
        _logger.warning("replica %s: %s", self.replica.id, reason)
        if self._connection is not None:
            self.reason = reason
            self._connection.abort()

    def frame_received(self, header: Header, body: memoryview) -> None:
        """A frame from the worker.

        Raises:
            FrameInvalidError: not one that a worker may send.
        """
        if isinstance(header, Answer):
            batch = self.in_flight.pop(header.id, None)
            if batch is not None:
                if header.nan_rows:
                    self._owner.nan_answered(header.nan_rows)
                self._owner.batch_answered(self, batch, tensors_of(header.outputs, body), header)
        elif isinstance(header, Partial):
            batch = self.in_flight.get(header.id)
            if batch is not None and batch.stream is not None:
                self._owner.part_answered(self, batch, tensors_of(header.outputs, body), header.service_us)
        elif isinstance(header, Ended | Failure):
            self._ended(header)
        elif isinstance(header, Draining):
            self.is_ready = False
            self.reason = "its worker is ending"
        elif isinstance(header, Hello):
            self._greet(header)
        else:
            raise FrameInvalidError("a worker sent a request")
        if not self.is_ready and not self.in_flight and not isinstance(header, Hello):
            self._leave()

    def connected(self, connection: "_Connection") -> None:
        """A socket is open. Known before its first frame: the owner may send as soon as it hears of the greeting."""
        self._connection = connection

    def connection_lost(self) -> None:
        """The socket is closed; whatever was in flight has no answer."""
        if self.is_ready:
            self.reason = "its worker closed the connection"
        self.is_ready = False
        self._connection = None
        lost, self.in_flight, self.streams = list(self.in_flight.values()), {}, 0
        self._owner.replica_lost(self, lost)

    def steer(self, header: More | Cancel) -> None:
        """Tell the worker of a stream in flight to go on, or to stop."""
        if header.id in self.in_flight and self._connection is not None:
            self._connection.tell(encode_frame(header))

    def _begin(self, request: StreamRequest) -> int:
        """The parts that the worker may make at first."""
        self.streams += 1
        request.begin(_Source(self, self._last_id))
        return STREAM_PARTS

    def _ended(self, header: Ended | Failure) -> None:
        batch = self.in_flight.pop(header.id, None)
        if batch is None:
            return
        if batch.stream is not None:
            self.streams -= 1
        if isinstance(header, Failure):
            self._owner.batch_failed(batch, header)
        else:
            self._owner.stream_ended(self, batch, header)

    def _greet(self, hello: Hello) -> None:
        if hello.protocol != PROTOCOL_VERSION:
            raise FrameInvalidError(f"the worker speaks protocol {hello.protocol}, not {PROTOCOL_VERSION}")
        if hello.signature != self._signature:
            raise FrameInvalidError("the worker serves another signature than the routing table says")
        if not self.is_retired:
            self.is_ready = True
            self.reason = ""
            self._owner.replica_ready()

    def _leave(self) -> None:
        """The last answer of a worker that is ending, or of a replica that left the table, has come."""
        if self._connection is not None:
            self._connection.close()
        if self.is_retired:
            self._task.cancel()

    async def _stay_connected(self) -> None:
        pause = _FIRST_RETRY_SECONDS
        while not self.is_retired:
            started = time.monotonic()
            try:
                connection = await self._connect()
                await connection.closed.wait()
            except (OSError, TimeoutError, ValueError) as error:
                self.reason = f"its worker cannot be reached ({error or type(error).__name__})"
            if time.monotonic() - started > _LAST_RETRY_SECONDS:
                pause = _FIRST_RETRY_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_RETRY_SECONDS)

    async def _connect(self) -> "_Connection | Channel":
        loop, address = asyncio.get_running_loop(), self.replica.address
        if PLACE_SEPARATOR in address:
            channel = await self._lines.open(address, self)
            self._connection, self._last_id = channel, channel.first_id
            return channel
        if "/" in address:
            _, connection = await loop.create_unix_connection(lambda: _Connection(self), address)
        else:
            key, host, port = split_address(address)
            transport, connection = await loop.create_connection(lambda: _Connection(self), host, port)
            notice_loss(transport.get_extra_info("socket"))
            if key:
                transport.write(first_line(key))
        return connection


class _Source:
    """A stream in flight; see requests.PartSource."""

    __slots__ = ("_id", "_link")

    def __init__(self, link: ReplicaLink, id: int) -> None:
        self._link = link
        self._id = id

    def more(self, parts: int) -> None:
        self._link.steer(More(self._id, parts))

    def stop(self) -> None:
        self._link.steer(Cancel(self._id))


class _Connection(asyncio.Protocol):
    """One socket to a worker."""

    is_busy = False

    def __init__(self, link: ReplicaLink) -> None:
        self._link = link
        self._reader = FrameReader()
        self._transport: asyncio.Transport
        self._greeting: asyncio.TimerHandle | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._link.connected(self)
        self._greeting = asyncio.get_running_loop().call_later(_HELLO_SECONDS, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None
        try:
            for header, body in self._reader.feed(data):
                self._link.frame_received(header, body)
        except FrameInvalidError as error:
            self._link.reset(error.message)

    def connection_lost(self, _: Exception | None) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
        self.closed.set()
        self._link.connection_lost()

    def send(self, frame: bytes, _frame_id: int) -> None:
        self.tell(frame)

    def tell(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()
