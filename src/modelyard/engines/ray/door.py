"""A TCP port that hands its connections over to a process which has no network; see kit.handover."""

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from pathlib import Path

from modelyard.kit.addresses import bound_socket
from modelyard.kit.handover import LINE_BYTES, hand_over, is_first_line, notice_loss

_PATIENCE_SECONDS = 5.0
_BACKLOG = 128


class Door:
    """Lets in whoever knows the key.

    Args:
        path: where the process takes connections.
        key: what callers have to say first.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str) -> str:
        """Listen at a free port of `host`; host:port.

        Raises:
            OSError: the machine does not have that address.
        """
        listening = bound_socket(host, 0)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        self._run(self._accept(listening))
        return f"{host}:{listening.getsockname()[1]}"

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:  # that caller is gone already, or there are no descriptors left for the moment
                await asyncio.sleep(0.05)
                continue
            self._run(self._admit(connection))

    async def _admit(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, TimeoutError):
            connection.setblocking(False)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                line = await _first_line(connection)
            if is_first_line(line, self._key):
                notice_loss(connection)
                hand_over(connection, self._path)

    def _run(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _first_line(connection: socket.socket) -> bytes:
    """Not a byte more than it: what follows is for the process."""
    loop, line = asyncio.get_running_loop(), b""
    while len(line) < LINE_BYTES and (more := await loop.sock_recv(connection, LINE_BYTES - len(line))):
        line += more
    return line
