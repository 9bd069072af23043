"""A request whose head is, to the byte, one that the parser has understood on this connection before.

A client that keeps its connection sends one head again and again; nothing but the digits of its Content-Length changes.
What the parser has accepted once needs no second reading: comparing costs 0.5 us where parsing takes 5.

It holds only for a request that came whole and alone, from its first byte to the last of its body. Anything else is the
parser's: it sees every byte that two servers could read differently.
"""

from collections.abc import Mapping
from functools import lru_cache

from modelyard.dataplane.gateway.access import Caller
from modelyard.dataplane.gateway.dialect import Operation
from modelyard.dataplane.gateway.fleet import Endpoint
from modelyard.dataplane.gateway.http.exchange import Exchange
from modelyard.dataplane.gateway.signing import is_signed

_LENGTH = b"content-length"
_END = b"\r\n\r\n"
_MAX_DIGITS = 12
_INFERENCE = (Operation.INFER, Operation.INFER_NAMED)
_UNREPEATABLE = (b"expect", b"upgrade", b"transfer-encoding")


class KnownHead:
    """A head, cut at the digits of its Content-Length, and what it was understood as; `fields` lack the length.

    Attributes:
        caller, endpoint: who sends it and what it asks, as long as the service's `epoch` is this one.
    """

    __slots__ = (
        "_rest",
        "_start",
        "after",
        "before",
        "caller",
        "dialect",
        "endpoint",
        "epoch",
        "fields",
        "method",
        "target",
    )

    def __init__(self, before: bytes, after: bytes, exchange: Exchange, fields: Mapping[bytes, bytes]) -> None:
        self.before = before
        self.after = after
        self._start = len(before)
        self._rest = len(before) + len(after)
        self.target = exchange.target
        self.dialect = exchange.dialect
        self.method = exchange.method
        self.fields = fields
        self.epoch = -1
        self.caller: Caller | None = None
        self.endpoint: Endpoint | None = None

    def body_start(self, data: bytes) -> int:
        """Where the body starts, if `data` is exactly one request with this head; else 0."""
        if not data.startswith(self.before):
            return 0
        digits = _digits(len(data) - self._rest)
        end = self._start + len(digits)
        is_this = digits and data.startswith(digits, self._start) and data.startswith(self.after, end)
        return self._rest + len(digits) if is_this else 0


@lru_cache(maxsize=4096)
def _digits(size: int) -> bytes:
    """The Content-Length that takes `size` bytes together with the body that it announces; empty: there is none."""
    for count in range(1, _MAX_DIGITS):
        digits = b"%d" % max(0, size - count)
        if len(digits) == count and size >= count:
            return digits
    return b""


def request_line(data: bytes) -> bytes:
    """The first line of a request, as far as it is there."""
    return data[: data.find(b"\r")]


def learn(data: bytes, exchange: Exchange) -> KnownHead | None:
    """The head of `exchange`, which the parser has just read from `data`; None if it is not one to wait for again.

    Only what was admitted as inference is: `admit_again` asks nothing but who sends it.
    """
    if exchange.error is not None or exchange.target is None or exchange.target.operation not in _INFERENCE:
        return None
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
    return KnownHead(data[:start], data[end:head_end], exchange, rest)
