"""HTTP/1.1 responses as bytes, and the one table from errors to status codes."""

import math
from collections.abc import Mapping
from http import HTTPStatus

import orjson

from modelyard import errors
from modelyard.dataplane import errors as own

JSON = b"application/json"

_STATUS: tuple[tuple[type[errors.ModelyardError], int], ...] = (
    # The first that fits counts: exceptions to a family's rule stand before the family.
    (own.DeadlineExceededError, 504),
    (own.RequestTimeoutError, 408),
    (own.HeadersTooLargeError, 431),
    (own.MethodNotAllowedError, 405),
    (own.UnsupportedMediaTypeError, 415),
    (own.NotAcceptableError, 406),
    (errors.TooLargeError, 413),
    (errors.InvalidInputError, 400),
    (errors.UnauthenticatedError, 401),
    (errors.PermissionDeniedError, 403),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.OverloadedError, 429),
    (errors.TemporaryError, 503),
)


def status_of(error: errors.ModelyardError) -> int:
    """The HTTP status of an error; 500 for what has no row in the table."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def status_line(status: int) -> bytes:
    """`HTTP/1.1 404 Not Found` with its line end."""
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


def error_headers(error: errors.ModelyardError) -> list[tuple[bytes, bytes]]:
    """The headers that an error calls for."""
    headers = []
    if isinstance(error, own.MethodNotAllowedError):
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, errors.UnauthenticatedError):
        headers.append((b"www-authenticate", b'Bearer realm="modelyard"'))
    if isinstance(error, errors.TemporaryError) and error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds))))
    return headers


def error_body(error: errors.ModelyardError, extra: Mapping[str, object] | None = None) -> bytes:
    """The uniform error body of every surface, with what a dialect adds."""
    fields = {"code": error.code, "message": error.message, "hint": error.hint, "field": error.field}
    # A message may quote half a character of what was sent: lone surrogates cannot be written as UTF-8.
    safe = {key: _printable(value) for key, value in (fields | dict(extra or {})).items()}
    return orjson.dumps(safe)


def _printable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def render(
    status: int, body: bytes, *, content_type: bytes = JSON, headers: bytes = b"", date: bytes, is_close: bool
) -> bytes:
    """A whole response, for everything but the hot path."""
    parts = [status_line(status), date, headers]
    if is_close:
        parts.append(b"connection: close\r\n")
    if body:
        parts.append(b"content-type: " + content_type + b"\r\n")
    parts.append(b"content-length: %d\r\n\r\n" % len(body))
    return b"".join((*parts, body))
