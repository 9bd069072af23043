"""A request whose head is, to the byte, one that the parser has understood on this connection before.

A client that keeps its connection sends one head again and again; nothing but the digits of its Content-Length changes.
What the parser has accepted once needs no second reading: comparing costs 0.5 us where parsing takes 5.

It holds only for a request that came whole and alone, from its first byte to the last of its body. Anything else is the
parser's: it sees every byte that two servers could read differently.
"""

from collections.abc import Mapping
from typing import NamedTuple

from modelyard.dataplane.gateway.dialect import Dialect, Target
from modelyard.dataplane.gateway.http.exchange import Exchange
from modelyard.dataplane.gateway.signing import is_signed

_LENGTH = b"content-length"
_END = b"\r\n\r\n"
_MAX_DIGITS = 12
_UNREPEATABLE = (b"expect", b"upgrade", b"transfer-encoding")


class KnownHead(NamedTuple):
    """A head, cut at the digits of its Content-Length, and what it was understood as; `fields` lack the length."""

    before: bytes
    after: bytes
    target: Target | None
    dialect: Dialect | None
    method: bytes
    fields: Mapping[bytes, bytes]

    def body_start(self, data: bytes) -> int:
        """Where the body starts, if `data` is exactly one request with this head; else 0."""
        if not data.startswith(self.before):
            return 0
        start = len(self.before)
        end = data.find(b"\r", start, start + _MAX_DIGITS)
        if end < 0 or not data.startswith(self.after, end):
            return 0
        digits, body_start = data[start:end], end + len(self.after)
        return body_start if digits.isdigit() and int(digits) == len(data) - body_start else 0


def request_line(data: bytes) -> bytes:
    """The first line of a request, as far as it is there."""
    return data[: data.find(b"\r")]


def learn(data: bytes, exchange: Exchange) -> KnownHead | None:
    """The head of `exchange`, which the parser has just read from `data`; None if it is not one to wait for again."""
    fields = exchange.fields
    size = fields.get(_LENGTH, b"")
    head_end = data.find(_END) + len(_END)
    if is_signed(fields.get(b"authorization")):  # such a head is good for once
        return None
    is_whole = head_end >= len(_END) and size.isdigit() and len(data) == head_end + int(size)
    if not is_whole or exchange.is_last or not exchange.takes_chunks or any(name in fields for name in _UNREPEATABLE):
        return None
    line = data.lower().find(b"\r\n" + _LENGTH + b":", 0, head_end)
    start = data.find(size, line, head_end) if line >= 0 else -1
    if start < 0:
        return None
    end = start + len(size)
    rest = {name: value for name, value in fields.items() if name != _LENGTH}
    return KnownHead(data[:start], data[end:head_end], exchange.target, exchange.dialect, exchange.method, rest)
