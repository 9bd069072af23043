"""A host's socket for gateways: one connection, many models."""

import asyncio
import sys
from collections.abc import Callable

from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.dataplane.frames import (
    CHANNEL_SHIFT,
    Attach,
    Cancel,
    Detach,
    Failure,
    FrameInvalidError,
    FrameReader,
    Header,
    Infer,
    More,
    encode_frame,
)
from modelyard.dataplane.served_model import ServedModel, Turns

FindModel = Callable[[str], ServedModel | None]


class SharedConnection(asyncio.Protocol):
    """One gateway.

    Args:
        find: the model at a place, if it is served there.
    """

    def __init__(self, find: FindModel) -> None:
        self._find = find
        self._reader = FrameReader()
        self._transport: asyncio.Transport
        self._channels: dict[int, _Channel] = {}
        self._unsent: list[bytes] = []
        self._is_taking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio.Protocol."""
        for channel in list(self._channels.values()):
            channel.close()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._is_taking = True
        try:
            for header, body in self._reader.feed(data):
                self._take(header, body)
        except FrameInvalidError as error:
            sys.stderr.write(f"host: dropped a connection: {error.message}\n")
            self._transport.close()
        finally:
            self._is_taking = False
            self._flush()

    def _take(self, header: Header, body: memoryview) -> None:
        if isinstance(header, Infer | More | Cancel):
            channel = self._channels.get(header.id >> CHANNEL_SHIFT)
            if channel is not None:
                channel.turns.take(channel.model, channel, header, body)
            elif isinstance(header, Infer):
                self.send(_gone(header.id))
        elif isinstance(header, Attach):
            self._attach(header)
        elif isinstance(header, Detach):
            self.detach(header.channel)
        else:
            raise FrameInvalidError(f"a caller sent '{type(header).__name__}'")

    def send(self, frame: bytes) -> None:
        """Answers to what came together go out together: a write for each would cost as much as a small model."""
        self._unsent.append(frame)
        if not self._is_taking:
            self._flush()

    def detach(self, number: int) -> None:
        """A channel is closed."""
        channel = self._channels.pop(number, None)
        if channel is not None:
            channel.model.disconnected(channel)

    def _flush(self) -> None:
        frames, self._unsent = self._unsent, []
        if frames and not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def _attach(self, wanted: Attach) -> None:
        model = self._find(wanted.place)
        if model is None:
            self.send(_gone(wanted.channel << CHANNEL_SHIFT))
            return
        channel = self._channels[wanted.channel] = _Channel(self, wanted.channel, model)
        model.connected(channel)


class _Channel:
    """One replica, as one gateway sees it; see ModelConnection."""

    def __init__(self, connection: SharedConnection, channel: int, model: ServedModel) -> None:
        self.channel = channel
        self.model = model
        self.turns = Turns()
        self._connection = connection

    def send(self, frame: bytes) -> None:
        self._connection.send(frame)

    def close(self) -> None:
        self._connection.detach(self.channel)


def _gone(frame_id: int) -> bytes:
    """The answer to whoever asks for a model that is not here: the channel is refused, by the id it begins with."""
    start = frame_id >> CHANNEL_SHIFT << CHANNEL_SHIFT
    return encode_frame(Failure(start, WorkerUnavailableError.code, "this host does not serve the model"))
