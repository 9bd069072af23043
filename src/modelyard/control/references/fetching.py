"""Fetches from the internet for somebody else, without becoming his way into the internal network.

Only `https://` to hosts that the operator has allowed. A name is resolved once, every address of it must be public, and
the connection goes to one of those very addresses, so no second answer of the name server can change it. Redirects are
followed by hand, each checked like the first address.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from modelyard.control.references.errors import (
    ReferenceForbiddenError,
    ReferenceTooLargeError,
    ReferenceUnreachableError,
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REDIRECTS = 3
_CONNECT_SECONDS, _READ_SECONDS, TOTAL_SECONDS = 5.0, 20.0, 120.0
_HTTPS = 443
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """False for everything that may be inside: private, loopback, link-local, multicast, or a tunnel to such."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


class Fetcher:
    """Downloads files. Safe from any thread.

    Args:
        hosts: that are allowed: "data.example.com", "*.example.com", with ":8443" for a port other than 443.
        maximum_bytes: larger files are refused.
        total_seconds: a file that takes longer is given up.
        allows: which addresses may be connected to.
        context: for TLS; what certificates are trusted.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        maximum_bytes: int,
        *,
        total_seconds: float = TOTAL_SECONDS,
        allows: Callable[[Address], bool] = is_public,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = tuple(host.strip().lower() for host in hosts if host.strip())
        self._maximum_bytes = maximum_bytes
        self._total_seconds = total_seconds
        self._backend = _GuardedBackend(allows)
        self._context = context or ssl.create_default_context()

    def fetch(self, url: str, target: Path) -> None:
        """Write what is at `url` to `target`.

        Raises:
            ReferenceForbiddenError: the address, or one that it redirects to, may not be fetched.
            ReferenceTooLargeError: it is larger than allowed.
            ReferenceUnreachableError: it does not answer, or not with the file.
        """
        deadline = time.monotonic() + self._total_seconds
        with httpcore.ConnectionPool(network_backend=self._backend, ssl_context=self._context) as pool:
            for _ in range(_REDIRECTS + 1):
                self.check(url)
                try:
                    location = self._get(pool, url, target, deadline)
                except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
                    reason = str(error) or type(error).__name__
                    raise ReferenceUnreachableError(
                        f"'{url[:200]}' cannot be fetched: {reason}", hint="Check the address, and try again."
                    ) from error
                if location is None:
                    return
                url = urljoin(url, location)
        raise ReferenceUnreachableError(
            f"'{url[:200]}' redirects too often", hint="Give the address of the file itself."
        )

    def check(self, url: str) -> None:
        """Return if `url` is an address on an allowed host; nothing is asked of anybody.

        Raises:
            ReferenceForbiddenError: it is not.
        """
        parts = urlsplit(url)
        try:
            port = parts.port or _HTTPS
        except ValueError:
            port = -1
        host = (parts.hostname or "").lower().rstrip(".")
        if parts.scheme != "https" or not host or parts.username is not None or port < 0:
            raise ReferenceForbiddenError(
                f"'{url[:200]}' is no address that data is fetched from", hint="Use https://host/path, without a user."
            )
        name = host if port == _HTTPS else f"{host}:{port}"
        if not any(_fits(name, allowed) for allowed in self._hosts):
            raise ReferenceForbiddenError(
                f"Data of '{name}' may not be fetched",
                hint="The platform's operator allows hosts by MODELYARD_REFERENCE_HOSTS.",
            )

    def _get(self, pool: httpcore.ConnectionPool, url: str, target: Path, deadline: float) -> str | None:
        """The location that it redirects to; None once the file is there."""
        timeout = {"connect": _CONNECT_SECONDS, "read": _READ_SECONDS, "write": _READ_SECONDS, "pool": _READ_SECONDS}
        headers = [("Host", urlsplit(url).netloc), ("Accept-Encoding", "identity"), ("User-Agent", "modelyard")]
        with pool.stream("GET", url, headers=headers, extensions={"timeout": timeout}) as response:
            fields = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in (301, 302, 303, 307, 308) and b"location" in fields:
                return fields[b"location"]
            if response.status != 200:  # noqa: PLR2004
                raise ReferenceUnreachableError(
                    f"'{url[:200]}' answers with status {response.status}", hint="Check the address."
                )
            size = fields.get(b"content-length", "")
            if size.isdecimal() and int(size) > self._maximum_bytes:
                raise self._too_large()
            self._write(response.iter_stream(), target, deadline)
        return None

    def _write(self, chunks: Iterable[bytes], target: Path, deadline: float) -> None:
        size = 0
        with target.open("wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > self._maximum_bytes:
                    raise self._too_large()
                if time.monotonic() > deadline:
                    raise ReferenceUnreachableError(
                        f"the data did not come within {self._total_seconds:g} s", hint="Make a dataset of it."
                    )
                file.write(chunk)

    def _too_large(self) -> ReferenceTooLargeError:
        return ReferenceTooLargeError(
            f"the data has more than {self._maximum_bytes} bytes",
            hint="Answer it with a batch job, or send it in parts: a request for each.",
        )


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, and to no other."""

    def __init__(self, allows: Callable[[Address], bool]) -> None:
        self._allows = allows
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore.

        Raises:
            ReferenceForbiddenError: one of the host's addresses is not allowed.
        """
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if not all(self._allows(ipaddress.ip_address(address.partition("%")[0])) for address in found):
            raise ReferenceForbiddenError(
                f"'{host}' has an address inside the network", hint="Only public addresses are fetched from."
            )
        return self._inner.connect_tcp(found[0], port, timeout, local_address, socket_options)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Never."""
        del path, timeout, socket_options
        raise ReferenceForbiddenError("a socket is no place to fetch from", hint="Use https://host/path.")

    def sleep(self, seconds: float) -> None:
        """See httpcore."""
        self._inner.sleep(seconds)


def _fits(name: str, allowed: str) -> bool:
    if allowed.startswith("*."):
        return name.endswith(allowed[1:]) and len(name) > len(allowed) - 1
    return name == allowed
