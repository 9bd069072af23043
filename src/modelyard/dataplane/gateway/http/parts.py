"""Answers in parts over HTTP/1.1: a chunk each, written as fast as the client reads and not faster.

Source: RFC 9112 (HTTP/1.1), section 7.1 (chunked transfer coding).
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from modelyard.dataplane.gateway.parts import StreamedAnswer
from modelyard.dataplane.gateway.requests import StreamRequest
from modelyard.dataplane.tensors import OutputRows
from modelyard.runtimes.base import Ending

_LAST_CHUNK = b"0\r\n\r\n"


class Sink(Protocol):
    """Where bytes go, as asyncio.Transport has it."""

    def write(self, data: bytes) -> None:
        """Send."""


class HttpStream:
    """The response to one request. What waits here waits for its turn on the connection, or for a slow client.

    Args:
        answer: what is written.
        request: hears how many parts are out of the way.
        head: status line and headers, up to the empty line.
        is_chunked: False for clients of HTTP/1.0, who read until the connection ends.

    Attributes:
        is_over: nothing more will come.
    """

    def __init__(self, answer: StreamedAnswer, request: StreamRequest, head: bytes, *, is_chunked: bool) -> None:
        self._answer = answer
        self._request = request
        self._is_chunked = is_chunked
        self._waiting: deque[bytes] = deque()
        self._head = head
        self.is_over = False

    @property
    def is_written(self) -> bool:
        """True when the whole response has been handed to the connection."""
        return self.is_over and not self._waiting

    def part(self, outputs: Sequence[OutputRows]) -> None:
        """The next part.

        Raises:
            InternalError: it could not be written.
        """
        self._waiting.append(self._chunk(self._answer.part(outputs)))

    def end(self, ending: Ending) -> None:
        """The end of a whole answer.

        Raises:
            InternalError: it could not be written.
        """
        self._close(self._answer.end(ending))

    def fail(self, error_body: bytes) -> None:
        """The end of an answer that is not whole."""
        self._close(self._answer.writer.failure(error_body))

    def write_next(self, sink: Sink) -> bool:
        """Write what comes next, if something is there."""
        if not self._waiting:
            return False
        content = self._waiting.popleft()
        if self._head:
            content, self._head = self._head + content, b""
        sink.write(content)
        if not self.is_over:
            self._request.took(1)
        return True

    def _close(self, content: bytes) -> None:
        self._waiting.append(self._chunk(content) + (_LAST_CHUNK if self._is_chunked else b""))
        self.is_over = True

    def _chunk(self, content: bytes) -> bytes:
        if not self._is_chunked or not content:
            return content
        return b"%x\r\n%b\r\n" % (len(content), content)
