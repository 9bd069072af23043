"""What a request's head must be like before anybody acts on it.

The parser (llhttp, strict) has refused broken lengths, bad characters and folded lines before. What remains is what two
servers in a row could still read differently, and what is too much.

Source: RFC 9112 sections 3.2 (Host), 6.1 (Transfer-Encoding), 6.3 (message length).
"""

from collections.abc import Sequence

from modelyard.dataplane.errors import HeadersTooLargeError, RequestInvalidError
from modelyard.dataplane.gateway.dialect import Headers
from modelyard.errors import ModelyardError
from modelyard.kit.traces import HEADER as TRACEPARENT

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 << 10
MAX_HEAD_BYTES = 64 << 10
"""Of the part of a head that did not come with its first piece."""

_SINGLE = frozenset(
    (
        b"host",
        b"authorization",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"inference-header-content-length",
        b"transfer-encoding",
        b"x-modelyard-project",
    )
)


def problem_of(
    method: bytes, headers: Sequence[tuple[bytes, bytes]], fields: Headers, *, is_version_1_1: bool
) -> ModelyardError | None:
    """Why this head is not to be trusted, if so. `fields` are `headers` as a mapping."""
    if len(headers) > MAX_HEADERS:
        return head_too_large()
    if len(fields) != len(headers) and (name := _repeated(headers)) is not None:
        return RequestInvalidError(f"header '{name.decode()}' came twice", hint="Send it once.")
    if is_version_1_1 and b"host" not in fields:
        return RequestInvalidError("the Host header is missing", hint="HTTP/1.1 requires it.")
    coding = fields.get(b"transfer-encoding")
    if coding is not None and (not is_version_1_1 or coding.strip().lower() != b"chunked"):
        return RequestInvalidError("this Transfer-Encoding is not supported", hint="Use 'chunked' over HTTP/1.1.")
    if method == b"CONNECT":
        return RequestInvalidError("this server is no proxy", hint="Send the request itself.")
    return None


def forget_repeated(headers: Sequence[tuple[bytes, bytes]], fields: dict[bytes, bytes]) -> None:
    """A traceparent that came twice is invalid, and one that is invalid counts as none."""
    if sum(name == TRACEPARENT for name, _ in headers) > 1:
        del fields[TRACEPARENT]


def has_body(fields: Headers) -> bool:
    """True if the head announces a body that is not empty."""
    return b"transfer-encoding" in fields or fields.get(b"content-length", b"0").strip(b"0") != b""


def head_too_large() -> HeadersTooLargeError:
    """The error for a head over a limit."""
    return HeadersTooLargeError(
        f"the request's head is over its limit ({MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes each)",
        hint="Send fewer or shorter headers.",
    )


def _repeated(headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in _SINGLE:
            return name
        seen.add(name)
    return None
