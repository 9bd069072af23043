"""A socket and just enough HTTP to send what no client library would, and to cut what comes back into answers."""

import json
import socket
from types import TracebackType
from typing import NamedTuple, Self

_READ_BYTES = 1 << 16
_FIRST_FINAL_STATUS = 200


class Answer(NamedTuple):
    """One response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> float:
        """First value of the first output of an Open Inference answer."""
        return float(json.loads(self.body)["outputs"][0]["data"][0])

    @property
    def code(self) -> str:
        """Code of an error answer."""
        return str(json.loads(self.body)["code"])


class RawClient:
    """One connection."""

    def __init__(self, port: int, timeout_seconds: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self._held = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def answer(self, *, is_head: bool = False) -> Answer:
        """The next response, also an interim one.

        Raises:
            ConnectionError: the connection ended before it was whole.
        """
        while b"\r\n\r\n" not in self._held:
            self._more()
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        status_line, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(status_line.split()[1])
        size = 0 if is_head or status < _FIRST_FINAL_STATUS else int(headers.get("content-length", 0))
        while len(self._held) < size:
            self._more()
        content, self._held = self._held[:size], self._held[size:]
        return Answer(status, headers, content)

    def is_closed(self) -> bool:
        """True if the server ends the connection and has sent nothing more."""
        try:
            return self._held == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionError(f"closed after {self._held!r}")
        self._held += data


def request(payload: bytes, *headers: str, secret: str, path: str, method: str = "POST") -> bytes:
    """The bytes of a plain request; Content-Length is added unless a header says how long the body is."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here", f"Authorization: Bearer {secret}", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
        lines.append(f"Content-Length: {len(payload)}")
    return "\r\n".join([*lines, "", ""]).encode() + payload
