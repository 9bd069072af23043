"""Addresses as a client on this machine can use them."""

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
