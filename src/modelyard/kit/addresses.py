"""Addresses to listen on, and as a client on this machine can use them."""

import socket

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - to translate, not to listen on


def local_url(host: str, port: int, *, has_tls: bool) -> str:
    """The URL that reaches a server on this machine which listens on `host`.

    "All addresses" is none that a client could call, so it becomes loopback; with TLS by the name that certificates
    give it.
    """
    shown = f"[{host}]" if ":" in host else host
    if host in _EVERYWHERE:
        shown = "localhost" if has_tls else _EVERYWHERE[host]
    return f"{'https' if has_tls else 'http'}://{shown}:{port}"


def bound_socket(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A TCP socket that has this address and does not listen yet; port 0 is the system's choice.

    Args:
        host: name or address.
        port: of TCP.
        is_shared: other sockets of this user may have it too, if they say so as well. The kernel deals connections out
            among those that listen.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
