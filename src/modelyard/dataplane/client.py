"""A blocking client of one worker: control uses it for golden requests. Not thread-safe."""

import socket
import time
from types import TracebackType
from typing import Self

from modelyard.dataplane.errors import InputRefusedError, ModelFailedError, WorkerUnavailableError
from modelyard.dataplane.frames import (
    CHANNEL_SHIFT,
    PROTOCOL_VERSION,
    Answer,
    Attach,
    Draining,
    Failure,
    FrameInvalidError,
    FrameReader,
    Header,
    Hello,
    Infer,
    described,
    encode_frame,
    tensors_of,
)
from modelyard.kit.handover import first_line, split_address
from modelyard.runtimes.base import Tensors
from modelyard.types.routing import PLACE_SEPARATOR
from modelyard.types.signatures import Signature

_READ_BYTES = 1 << 18
_CHANNEL = 1
_LISTEN_SECONDS = 3.0
_LOOK_SECONDS = 0.02


class WorkerClient:
    """A connection to the worker at `address`: a Unix socket path, [key@]host:port, or socket#place in a host.

    Attributes:
        signature: what the worker serves, from its Hello.
        pid: the worker's process.

    Raises:
        WorkerUnavailableError: nothing answers there in time.
    """

    signature: Signature
    pid: int

    def __init__(self, address: str, timeout_seconds: float = 30.0) -> None:
        self.address = address
        self._timeout_seconds = timeout_seconds
        self._reader = FrameReader()
        self._frames: list[tuple[Header, memoryview]] = []
        self._last_id = 0
        target, _, place = address.partition(PLACE_SEPARATOR)
        self._socket = self._connect(target, timeout_seconds)
        if place:
            self._send(encode_frame(Attach(_CHANNEL, place)))
            self._last_id = _CHANNEL << CHANNEL_SHIFT
        hello, _ = self._next_frame()
        if isinstance(hello, Failure):
            self.close()
            raise self._unavailable(hello.message)
        if not isinstance(hello, Hello) or hello.protocol != PROTOCOL_VERSION:
            self.close()
            raise FrameInvalidError(
                f"'{address}' is no worker of this version",
                hint="Start workers and control from the same installation.",
            )
        self.signature, self.pid, self.is_pure = hello.signature, hello.pid, hello.is_pure

    def infer(self, inputs: Tensors) -> Tensors:
        """The model's outputs for a batch; the worker checks the inputs against its signature.

        Raises:
            InputRefusedError: the inputs do not fit, or the model cannot answer them.
            ModelFailedError: the model failed.
            WorkerUnavailableError: the worker ended, is ending, or took longer than the time-out.
        """
        return self.answer(self.send(inputs))

    def send(self, inputs: Tensors) -> int:
        """Send a batch, perhaps ahead of the answer to another one; returns its id.

        Raises:
            WorkerUnavailableError: the worker ended.
        """
        self._last_id += 1
        heads, chunks = described(inputs)
        self._send(encode_frame(Infer(self._last_id, heads, patience_seconds=self._timeout_seconds), chunks))
        return self._last_id

    def answer(self, id: int) -> Tensors:
        """The answer to the batch `id`, which is the first of those that were sent and are not answered.

        Raises:
            ModelyardError: as `infer` does.
        """
        while True:
            header, body = self._next_frame()
            if isinstance(header, Failure) and header.id == id:
                kind = InputRefusedError if header.is_input else ModelFailedError
                raise kind(header.message, hint=header.hint, field=header.field)
            if isinstance(header, Answer) and header.id == id:
                return {t.name: t.to_array() for t in tensors_of(header.outputs, body)}

    def close(self) -> None:
        """Disconnect; the worker goes on."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, target: str, timeout_seconds: float) -> socket.socket:
        if "/" in target:
            return self._connect_path(target, timeout_seconds)
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(timeout_seconds)
        try:
            key, host, port = split_address(target)
            connection.connect((host, port))
            if key:
                connection.sendall(first_line(key))
        except (OSError, ValueError) as error:
            connection.close()
            raise self._unavailable(str(error)) from error
        return connection

    def _connect_path(self, path: str, timeout_seconds: float) -> socket.socket:
        """A socket is there a moment before its worker listens; on a busy machine that is a long moment."""
        deadline = time.monotonic() + min(_LISTEN_SECONDS, timeout_seconds)
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(timeout_seconds)
            try:
                connection.connect(path)
            except OSError as error:
                connection.close()
                if not isinstance(error, ConnectionRefusedError) or time.monotonic() >= deadline:
                    raise self._unavailable(str(error)) from error
                time.sleep(_LOOK_SECONDS)
            else:
                return connection

    def _send(self, frame: bytes) -> None:
        try:
            self._socket.sendall(frame)
        except OSError as error:
            self.close()
            raise self._unavailable(str(error)) from error

    def _next_frame(self) -> tuple[Header, memoryview]:
        while not self._frames:
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError as error:
                self.close()
                raise self._unavailable(str(error)) from error
            if not data:
                self.close()
                raise self._unavailable("it closed the connection")
            try:
                self._frames.extend(frame for frame in self._reader.feed(data) if not isinstance(frame[0], Draining))
            except FrameInvalidError:
                self.close()
                raise
        return self._frames.pop(0)

    def _unavailable(self, reason: str) -> WorkerUnavailableError:
        return WorkerUnavailableError(
            f"the worker at '{self.address}' does not answer: {reason}", hint="Look at the replica's log."
        )
