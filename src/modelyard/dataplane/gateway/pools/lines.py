"""Connections to model hosts, each shared by all replicas that live there.

A socket for each model would cost two system calls and a wake-up for every batch, on both sides; over a shared one the
batches of one turn of the event loop travel together, as a burst. A host does one thing after another, so while two
bursts are with it nothing is sent: what comes meanwhile makes the next burst, and its batches, larger.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Protocol

from modelyard.dataplane.frames import (
    CHANNEL_SHIFT,
    Answer,
    Attach,
    Detach,
    Draining,
    Ended,
    Failure,
    FrameInvalidError,
    FrameReader,
    Header,
    Hello,
    Partial,
    encode_frame,
)
from modelyard.types.routing import PLACE_SEPARATOR

_MOST_BURSTS = 2


class LineUser(Protocol):
    """A replica's link."""

    def frame_received(self, header: Header, body: memoryview) -> None:
        """A frame of its channel."""

    def connection_lost(self) -> None:
        """Its channel is closed."""

    def reset(self, reason: str) -> None:
        """Its channel said what it should not."""

    def may_send(self) -> None:
        """The line was busy when it last asked, and is not any more."""


class Channel:
    """One replica's part of a line.

    Attributes:
        first_id: its frames have ids above this.
        closed: set once it is.
    """

    def __init__(self, line: "_Line", number: int, user: LineUser) -> None:
        self.number = number
        self.first_id = number << CHANNEL_SHIFT
        self.closed = asyncio.Event()
        self._line = line
        self._user = user

    @property
    def is_busy(self) -> bool:
        """The host has enough to do; the user hears when it may send."""
        return self._line.is_busy_for(self)

    def send(self, frame: bytes, frame_id: int) -> None:
        """Send a batch; its id is the channel's."""
        self._line.send_batch(frame, frame_id)

    def tell(self, frame: bytes) -> None:
        """Send a frame that is not answered."""
        self._line.send(frame)

    def close(self) -> None:
        """Leave; the line goes on."""
        if not self.closed.is_set():
            self._line.detach(self)
            self.lost()

    abort = close

    def received(self, header: Header, body: memoryview) -> None:
        """A frame for this channel."""
        try:
            if isinstance(header, Failure) and header.id == self.first_id:
                self._user.reset(f"its host refused it: {header.message}")
            else:
                self._user.frame_received(header, body)
        except FrameInvalidError as error:
            self._user.reset(error.message)

    def free(self) -> None:
        """The line may be used again."""
        if not self.closed.is_set():
            self._user.may_send()

    def lost(self) -> None:
        """The channel is closed, by either side."""
        if not self.closed.is_set():
            self.closed.set()
            self._user.connection_lost()


class Lines:
    """All lines of a gateway, by the socket that they lead to."""

    def __init__(self) -> None:
        self._lines: dict[str, asyncio.Task[_Line]] = {}

    async def open(self, address: str, user: LineUser) -> Channel:
        """A channel to the model at `socket#place`; the line is there already if another replica of the host has one.

        Raises:
            OSError: nothing answers at the socket.
        """
        socket, _, place = address.partition(PLACE_SEPARATOR)
        task = self._lines.get(socket)
        if task is None or (task.done() and (task.cancelled() or task.exception() or task.result().is_closed)):
            task = self._lines[socket] = asyncio.get_running_loop().create_task(self._connect(socket))
        line = await asyncio.shield(task)
        if line.is_closed:  # lost again before its first user came to it
            raise ConnectionResetError("the host closed the connection")
        return line.attach(place, user)

    async def _connect(self, socket: str) -> "_Line":
        loop = asyncio.get_running_loop()
        _, line = await loop.create_unix_connection(lambda: _Line(lambda: self._lines.pop(socket, None)), socket)
        return line


class _Line(asyncio.Protocol):
    """One socket to a host."""

    def __init__(self, on_close: Callable[[], object]) -> None:
        self._reader = FrameReader()
        self._transport: asyncio.Transport
        self._channels: dict[int, Channel] = {}
        self._numbers = itertools.count(1)
        self._bursts: dict[int, _Burst] = {}  # by the ids of their frames
        self._open: _Burst | None = None  # what is sent in this turn of the loop
        self._under_way = 0
        self._waiting: dict[Channel, None] = {}
        self._on_close = on_close
        self.is_closed = False

    def attach(self, place: str, user: LineUser) -> Channel:
        """A new channel; the host answers with a Hello in it."""
        channel = Channel(self, next(self._numbers), user)
        self._channels[channel.number] = channel
        self.send(encode_frame(Attach(channel.number, place)))
        return channel

    def detach(self, channel: Channel) -> None:
        """A replica leaves; the last one closes the line. Whatever was under way for it is not waited for."""
        self._channels.pop(channel.number, None)
        self.send(encode_frame(Detach(channel.number)))
        for frame_id in [frame_id for frame_id in self._bursts if frame_id >> CHANNEL_SHIFT == channel.number]:
            self._answered(frame_id)
        if self._channels:
            self._free_waiting()
        else:
            self._end()

    def is_busy_for(self, channel: Channel) -> bool:
        """Whether nothing is to be sent now; if so, the channel hears of the end of it."""
        is_busy = self._open is None and self._under_way >= _MOST_BURSTS
        if is_busy:
            self._waiting[channel] = None
        return is_busy

    def send_batch(self, frame: bytes, frame_id: int) -> None:
        """Send a frame that will be answered."""
        burst = self._open
        if burst is None:
            burst = _Burst()
            self._under_way += 1
            if len(self._channels) > 1:
                self._open = burst
                asyncio.get_running_loop().call_soon(self._end_turn)
        self._bursts[frame_id] = burst
        burst.unanswered += 1
        if self._open is None:
            self.send(frame)  # no other model's batch can come to join it
        else:
            burst.frames.append(frame)

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        if not self._transport.is_closing():
            self._transport.write(frame)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        try:
            for header, body in self._reader.feed(data):
                if isinstance(header, Answer | Ended | Failure):
                    self._answered(header.id)
                channel = self._channels.get(_channel_of(header))
                if channel is not None:  # else it was left while the answer was under way
                    channel.received(header, body)
        except FrameInvalidError:
            self._transport.abort()
        self._free_waiting()

    def _free_waiting(self) -> None:
        if self._waiting and self._under_way < _MOST_BURSTS:
            waiting, self._waiting = self._waiting, {}
            for channel in waiting:
                channel.free()

    def _answered(self, frame_id: int) -> None:
        burst = self._bursts.pop(frame_id, None)
        if burst is not None:
            burst.unanswered -= 1
            if not burst.unanswered and burst is not self._open:
                self._under_way -= 1

    def _end_turn(self) -> None:
        burst, self._open = self._open, None
        if burst is not None:
            self.send(b"".join(burst.frames))
            burst.frames.clear()
            if not burst.unanswered:  # whoever it was for has left
                self._under_way -= 1
                self._free_waiting()

    def connection_lost(self, _: Exception | None) -> None:
        channels, self._channels = self._channels, {}
        self._end()
        for channel in channels.values():
            channel.lost()

    def _end(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._on_close()
            self._transport.close()


class _Burst:
    """Batches that are sent together, at the end of a turn of the event loop."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.unanswered = 0


def _channel_of(header: Header) -> int:
    if isinstance(header, Answer | Failure | Partial | Ended):
        return header.id >> CHANNEL_SHIFT
    if isinstance(header, Hello | Draining):
        return header.channel
    raise FrameInvalidError("a host sent a request")
