"""What a worker and its callers say to each other: length-prefixed frames on a stream socket, no pickle anywhere.

    frame := uint32 bytes after these two fields | uint32 bytes of the header | header (msgpack) | tensor bytes in order

A worker says Hello on connect. Then the caller sends Infer frames, any number at a time, each one batch, and gets one
Answer or Failure per Infer, matched by id. An Infer that asks for a stream gets Partial frames, and at last Ended or
Failure; no more parts are sent than the caller allowed (Infer, More), and none once it says Cancel. A worker that is
told to end says Draining: it answers what it has received, takes no new connection and waits for its callers to leave.
Integers are little-endian.

A model host has one more socket, over which several of its models are reached: a caller says Attach for each of them,
and gets a Hello, or a Failure if the host does not have it. The upper half of an id is the channel that the caller
chose.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import InternalError
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.tensors import raw_elements
from modelyard.types.signatures import DataType, Signature

PROTOCOL_VERSION = 2
MAX_FRAME_BYTES = 1 << 30
CHANNEL_SHIFT = 32

_PREFIX = struct.Struct("<II")


class FrameInvalidError(InternalError):
    """The other side does not speak this protocol, or sent a frame over the limit."""

    code = "frame_invalid"


class TensorHead(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One tensor's description; its bytes stand behind the header in the same order."""

    name: str
    datatype: DataType
    shape: tuple[int, ...]
    size_bytes: int


class Attach(msgspec.Struct, array_like=True, frozen=True, tag="attach"):
    """A caller wants to speak with the model at `place` of a host; its ids have `channel << CHANNEL_SHIFT` in them."""

    channel: int
    place: str


class Detach(msgspec.Struct, array_like=True, frozen=True, tag="detach"):
    """The caller leaves the channel; what is under way in it is not waited for."""

    channel: int


class Hello(msgspec.Struct, array_like=True, frozen=True, tag="hello"):
    """First frame from a worker: what it serves; from a host: what the channel's model serves."""

    protocol: int
    pid: int
    signature: Signature
    is_pure: bool
    channel: int = 0


class Infer(msgspec.Struct, array_like=True, frozen=True, tag="infer", gc=False):
    """One batch. `is_checked`: the caller has checked it against the signature that Hello gave.

    `patience_seconds` is how long the callers wait: a model that takes longer than that, and than the worker allows
    every batch, hangs. `parts` above 0: answer as a stream, so many parts at first; the patience is for each of them.
    """

    id: int
    inputs: tuple[TensorHead, ...]
    is_checked: bool = False
    patience_seconds: float = 0.0
    parts: int = 0


class Answer(msgspec.Struct, array_like=True, frozen=True, tag="answer", gc=False):
    """The outputs of the batch `id`; `service_us` is the time the model took.

    `nan_rows` counts rows with NaN in an output that has none in any golden answer. `others_us` is the time that the
    worker spent on batches of other callers since its last answer to this one.
    """

    id: int
    outputs: tuple[TensorHead, ...]
    service_us: int
    nan_rows: int = 0
    others_us: int = 0


class Failure(msgspec.Struct, array_like=True, frozen=True, tag="failure"):
    """The batch `id` has no answer. `is_input`: the inputs are at fault, not the model."""

    id: int
    code: str
    message: str
    hint: str = ""
    field: str | None = None
    is_input: bool = False


class Partial(msgspec.Struct, array_like=True, frozen=True, tag="partial", gc=False):
    """The next part of the stream `id`: all outputs, of texts only what is new; `service_us` as in Answer."""

    id: int
    outputs: tuple[TensorHead, ...]
    service_us: int


class Ended(msgspec.Struct, array_like=True, frozen=True, tag="ended"):
    """The stream `id` is complete; see runtimes.base.Ending.

    `service_us` is the time that the model took after the last part, `nan_rows` as in Answer.
    """

    id: int
    service_us: int
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    nan_rows: int = 0


class More(msgspec.Struct, array_like=True, frozen=True, tag="more", gc=False):
    """The caller takes `parts` further parts of the stream `id`."""

    id: int
    parts: int


class Cancel(msgspec.Struct, array_like=True, frozen=True, tag="cancel"):
    """Nobody reads the stream `id` any more. It is answered all the same: by Ended, or by what was under way."""

    id: int


class Draining(msgspec.Struct, array_like=True, frozen=True, tag="draining"):
    """The worker, or the channel's model, is about to end: send nothing new, collect your answers, disconnect."""

    channel: int = 0


Header = Hello | Infer | Answer | Failure | Partial | Ended | More | Cancel | Draining | Attach | Detach

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Header] = msgspec.msgpack.Decoder(Header)


def encode_frame(header: Header, chunks: Iterable[bytes | memoryview] = ()) -> bytes:
    """A whole frame; `chunks` are the tensors' bytes in the order of the header's heads."""
    head = _encoder.encode(header)
    body = b"".join(chunks)
    return b"".join((_PREFIX.pack(len(head) + len(body), len(head)), head, body))


def heads_of(tensors: Sequence[WireTensor]) -> tuple[TensorHead, ...]:
    """The descriptions of `tensors`."""
    return tuple(TensorHead(t.name, t.datatype, t.shape, len(t.data)) for t in tensors)


def described(outputs: Tensors) -> tuple[tuple[TensorHead, ...], list[bytes]]:
    """The descriptions of a model's outputs, and their bytes."""
    heads, chunks = [], []
    for name, array in outputs.items():
        datatype, data = raw_elements(array)
        heads.append(TensorHead(name, datatype, array.shape, len(data)))
        chunks.append(data)
    return tuple(heads), chunks


def tensors_of(heads: Sequence[TensorHead], body: memoryview) -> list[WireTensor]:
    """The tensors of a frame as views on its body.

    Raises:
        FrameInvalidError: the sizes do not add up to the body.
    """
    tensors, position = [], 0
    for head in heads:
        end = position + head.size_bytes
        tensors.append(WireTensor(head.name, head.datatype, head.shape, body[position:end]))
        position = end
    if position != len(body) or any(head.size_bytes < 0 for head in heads):
        raise FrameInvalidError(f"a frame's tensors take {position} bytes, its body has {len(body)}")
    return tensors


class FrameReader:
    """Cuts a byte stream into frames. Copies nothing where frames arrive whole, and once where they do not."""

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max = max_frame_bytes
        self._parts: list[bytes] = []
        self._held = 0
        self._needed = _PREFIX.size

    def feed(self, data: bytes) -> Iterator[tuple[Header, memoryview]]:
        """Take bytes and yield the frames that are now whole: header and the bytes behind it.

        Raises:
            FrameInvalidError: the stream is damaged; drop the connection.
        """
        if self._parts:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return
            data = b"".join(self._parts)
            self._parts, self._held = [], 0
        view, position = memoryview(data), 0
        while True:
            end = self._frame_end(view, position)
            if end > len(view):
                break
            yield self._frame(view[position:end])
            position = end
        if position < len(view):
            self._parts, self._held, self._needed = [bytes(view[position:])], len(view) - position, end - position

    def _frame_end(self, view: memoryview, position: int) -> int:
        """Where the frame at `position` ends, as far as that can be known yet."""
        start = position + _PREFIX.size
        if start > len(view):
            return start
        size, head_size = _PREFIX.unpack_from(view, position)
        if size > self._max or head_size > size:
            raise FrameInvalidError(
                f"a frame of {size} bytes with a header of {head_size} came; the limit is {self._max}",
                hint="Is something else listening on this socket?",
            )
        return start + int(size)

    @staticmethod
    def _frame(frame: memoryview) -> tuple[Header, memoryview]:
        body_start = _PREFIX.size + _PREFIX.unpack_from(frame)[1]
        try:
            return _decoder.decode(frame[_PREFIX.size : body_start]), frame[body_start:]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FrameInvalidError(f"a frame's header is damaged: {error}") from error
