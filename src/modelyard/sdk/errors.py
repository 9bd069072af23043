"""From an answer of the platform to the error that it stands for, and errors of the client's own."""

from collections.abc import Iterator

import msgspec

from modelyard import errors
from modelyard.sdk.steps import Response


class ServerUnreachableError(errors.UnavailableError):
    """Nothing listens at the platform's address: the request was not sent."""

    code = "server_unreachable"


class ConnectionLostError(errors.UnavailableError):
    """The connection broke, or no answer came in time: the request may have been carried out or not."""

    code = "connection_lost"


class NotConfiguredError(errors.InvalidInputError):
    """The client does not know where the platform is, or which token to send."""

    code = "not_configured"


class WaitTimeoutError(errors.TemporaryError):
    """What was waited for is still under way. It goes on; only the waiting ended."""

    code = "wait_timeout"


class WaitFailedError(errors.ConflictError):
    """What was waited for ended otherwise than hoped: a job failed, an endpoint cannot become ready."""

    code = "wait_failed"


class AnswerInvalidError(errors.InternalError):
    """The platform answered something that this client does not understand: their versions are too far apart."""

    code = "answer_invalid"


class _Body(msgspec.Struct):
    code: str = "error"
    message: str = ""
    hint: str = ""
    field: str | None = None


_FAMILIES: dict[int, type[errors.ModelyardError]] = {
    400: errors.InvalidInputError,
    401: errors.UnauthenticatedError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    405: errors.InvalidInputError,
    409: errors.ConflictError,
    412: errors.PreconditionFailedError,
    413: errors.TooLargeError,
    415: errors.InvalidInputError,
    429: errors.OverloadedError,
    502: errors.UnavailableError,
    503: errors.UnavailableError,
    504: errors.UnavailableError,
}


def error_of(response: Response) -> errors.ModelyardError:
    """The error that a response with status 400 or more stands for: right family, the server's code and words."""
    try:
        body = msgspec.json.decode(response.content, type=_Body)
    except msgspec.DecodeError:
        body = _Body(message=response.content[:300].decode(errors="replace"))
    kind = _family(response.status, body.code)
    message = body.message or f"the platform answered {response.status}"
    error = kind(message, hint=body.hint, field=body.field)
    error.code = body.code  # type: ignore[misc]  # the server's own code, finer than that of the family
    if isinstance(error, errors.TemporaryError):
        error.retry_after_seconds = _retry_after(response)
    return error


def _family(status: int, code: str) -> type[errors.ModelyardError]:
    by_status = _FAMILIES.get(status, errors.InternalError if status >= 500 else errors.InvalidInputError)  # noqa: PLR2004
    return next((kind for kind in _descendants(by_status) if kind.__dict__.get("code") == code), by_status)


def _descendants(kind: type[errors.ModelyardError]) -> Iterator[type[errors.ModelyardError]]:
    """Of the tree's families: the same status stands for several conflicts."""
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _descendants(child)


def _retry_after(response: Response) -> float | None:
    try:
        return float(response.headers.get("retry-after", "1"))
    except ValueError:
        return 1.0
