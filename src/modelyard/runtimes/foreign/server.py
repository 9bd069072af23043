"""HTTP servers that a worker waits for and asks, and whose end is its own.

Source: SageMaker Developer Guide, "Use Your Own Inference Code with Hosting Services" (/ping, /invocations, port 8080).
"""

import http.client
import signal
import socket
import subprocess
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError
from modelyard.runtimes.foreign.ends import end_like, end_process, how, seconds_left

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.05
_PING_SECONDS = 5.0
_SHOWN_BYTES = 300
_PART_BYTES = 64 << 10
_OK = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the server."""

    status: int
    content_type: str
    body: bytes

    def __str__(self) -> str:
        text = self.body[:_SHOWN_BYTES].decode(errors="replace").strip()
        return f"{self.status}" + (f": {text}" if text else "")


class HttpServer(ABC):
    """Asks a server on this loopback. Not thread-safe.

    Args:
        port: where it listens.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, body: bytes, content_type: str) -> Reply:
        """POST; the answer, which is one of success.

        Raises:
            PredictionFailedError: the server answered with an error; the message has its words.
        """
        headers = {"Content-Type": content_type, "Accept": content_type}
        try:
            reply = self._send("POST", path, body, headers, seconds_left() or None)
        except TimeoutError:
            self.close()
            end_like(-signal.SIGALRM)  # it hangs
        except (http.client.HTTPException, OSError) as error:
            self._fail(error)
        if reply.status not in _OK:
            raise PredictionFailedError(RuntimeError(f"the server answered {reply}"))
        return reply

    def exchange(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Iterator[tuple[http.client.HTTPResponse, bytes]]:
        """POST; the answer, whatever its status, in parts as they come: at least one.

        Raises:
            PredictionFailedError: the connection broke.
        """
        connection = None
        try:
            response = self._begin("POST", path, body, headers, seconds_left() or None)
            connection, self._connection = self._connection, None  # others have their turn between two parts
            part = response.read1(_PART_BYTES)
            yield response, part
            while part and (part := response.read1(_PART_BYTES)):
                yield response, part
            response.read()  # nothing is left: it lets the connection go
            if self._connection is None:
                connection, self._connection = None, connection
        except TimeoutError:
            self.close()
            end_like(-signal.SIGALRM)  # it hangs
        except (http.client.HTTPException, OSError) as error:
            self._fail(error)
        finally:
            if connection is not None:
                connection.close()

    def close(self) -> None:
        """Leave it."""
        self._disconnect()

    @abstractmethod
    def _exit_code(self, patience_seconds: float) -> int | None:
        """How it ended, if it has after that time."""

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fail(self, error: Exception) -> NoReturn:
        """The connection broke: this process ends as the server did; if it lives, only the request fails."""
        self._disconnect()
        code = self._exit_code(_POLL_SECONDS * 10)
        if code is None:
            raise PredictionFailedError(error) from error
        end_like(code)

    def _wait_until_ready(self, ping: str, start_seconds: float) -> None:
        deadline, last = time.monotonic() + start_seconds, "nothing listened"
        while time.monotonic() < deadline:
            code = self._exit_code(0)
            if code is not None:
                raise ArtifactInvalidError(
                    f"the server ended with {how(code)} before it was ready", hint="Its output has the reason."
                )
            try:
                reply = self._send("GET", ping, b"", {}, _PING_SECONDS)
            except (http.client.HTTPException, OSError) as error:
                last = str(error) or type(error).__name__
                self._connection = None
            else:
                if reply.status in _OK:
                    return
                last = f"{ping} answered {reply}"
            time.sleep(_POLL_SECONDS)
        self.close()
        raise ArtifactInvalidError(
            f"the server was not ready after {start_seconds:g} s: {last}",
            hint=f"It must answer {ping} with 200 on the port that its variable PORT names ({self._port} here).",
        )

    def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float | None
    ) -> Reply:
        """One request and its whole answer."""
        response = self._begin(method, path, body, headers, timeout_seconds)
        content = response.read()
        return Reply(status=response.status, content_type=response.headers.get_content_type(), body=content)

    def _begin(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float | None
    ) -> http.client.HTTPResponse:
        """The head of the answer to a request on the kept connection; on a new one if the server had closed that."""
        is_kept = self._connection is not None
        connection = self._connection or http.client.HTTPConnection(_HOST, self._port)
        connection.timeout = timeout_seconds
        if connection.sock is not None:
            connection.sock.settimeout(timeout_seconds)
        try:
            connection.request(method, path, body or None, dict(headers))
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            connection.close()
            self._connection = None
            if not is_kept:
                raise
            return self._begin(method, path, body, headers, timeout_seconds)
        self._connection = connection
        return response


class ServerProcess(HttpServer):
    """Not thread-safe.

    Args:
        command: program and arguments; it listens on the port in its variable PORT, or on `port`.
        folder: its current directory, read-only in a sandbox.
        environment: of the process, whole.
        ping: path that answers 200 once it is ready.
        start_seconds: longest time until then.
        port: where it listens whatever PORT says; None: on PORT, a free one.

    Raises:
        ArtifactInvalidError: it ended, or did not get ready; the message has the last answer to a ping.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        ping: str,
        start_seconds: float,
        port: int | None = None,
    ) -> None:
        super().__init__(port or _free_port())
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**environment, "PORT": str(self._port), "SAGEMAKER_BIND_TO_PORT": str(self._port)},
                stdin=subprocess.DEVNULL,
                stdout=2,  # what the server prints is log
            )
        except OSError as error:
            raise ArtifactInvalidError(
                f"the server '{command[0]}' cannot be started: {error.strerror}", hint="Check the command."
            ) from error
        self._finalizer = weakref.finalize(self, end_process, self._process)
        self._wait_until_ready(ping, start_seconds)

    def close(self) -> None:
        """End the server."""
        self._disconnect()
        self._finalizer()

    def _exit_code(self, patience_seconds: float) -> int | None:
        if patience_seconds == 0:
            return self._process.poll()
        try:
            return self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            return None


class ServerBeside(HttpServer):
    """A server in a container beside this process's own; not thread-safe. The end of either ends both, from outside.

    Args:
        port: where it listens.
        ping: path that answers 200 once it is ready.
        start_seconds: longest time until then.

    Raises:
        ArtifactInvalidError: it did not get ready; the message has the last answer to a ping.
    """

    def __init__(self, port: int, *, ping: str, start_seconds: float) -> None:
        super().__init__(port)
        self._wait_until_ready(ping, start_seconds)

    def _exit_code(self, patience_seconds: float) -> int | None:
        time.sleep(patience_seconds)  # whoever started both ends this process in that time, if it has ended
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
