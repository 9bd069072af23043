"""Connections accepted by one process and served by another, which may have no network of its own.

The caller's first line is the key of whom it wants. Whoever accepts the connection compares it and hands the socket
over, through a Unix socket of the server's; after that it is out of the way.
"""

import hmac
import secrets
import socket
from pathlib import Path

KEY_SEPARATOR = "@"
"""Between key and host:port in an address."""

_KEY_BYTES = 16
LINE_BYTES = 2 * _KEY_BYTES + 1
_LOST_AFTER_MS = 5000
_PROBE_AFTER_SECONDS, _PROBES = 2, 3


def new_key() -> str:
    """A secret that the callers of one process know."""
    return secrets.token_hex(_KEY_BYTES)


def first_line(key: str) -> bytes:
    """What a caller sends first."""
    return key.encode() + b"\n"


def is_first_line(line: bytes, key: str) -> bool:
    """Whether the caller knows the key."""
    return hmac.compare_digest(line, first_line(key))


def split_address(address: str) -> tuple[str, str, int]:
    """Key (or ""), host and port of `key@host:port` or `host:port`.

    Raises:
        ValueError: the port is no number.
    """
    key, _, target = address.rpartition(KEY_SEPARATOR)
    host, _, port = target.rpartition(":")
    return key, host, int(port)


def notice_loss(connection: socket.socket) -> None:
    """Have the kernel end a connection whose other machine does not answer any more, after seconds and not hours."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _LOST_AFTER_MS)


def hand_over(connection: socket.socket, path: Path | str) -> None:
    """Give an open connection to whoever receives at `path`; the caller closes its own copy.

    Raises:
        OSError: nobody receives there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(path))
        socket.send_fds(sender, [b"!"], [connection.fileno()])


def receiver(path: Path | str) -> socket.socket:
    """The non-blocking socket at which connections arrive.

    Raises:
        OSError: the path cannot be bound.
    """
    receiving = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiving.setblocking(False)
    receiving.bind(str(path))
    return receiving


def receive(receiving: socket.socket) -> list[socket.socket]:
    """The connection that has arrived; none if it is gone again.

    Raises:
        BlockingIOError: none has arrived.
    """
    _, descriptors, _, _ = socket.recv_fds(receiving, 1, 1)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]
