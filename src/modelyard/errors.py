"""The one error tree: a stable code, a sentence that says what is wrong, and a hint that says what to do.

No transport here: each surface (REST, Open Inference Protocol, CLI) maps the families below to its own form.

ModelyardError
├── InvalidInputError        the caller must change the request
│   └── TooLargeError        ... because it is over a stated limit
├── UnauthenticatedError     no token, or one that is unknown, expired or revoked
├── PermissionDeniedError    the token is good, its role or project is not
├── NotFoundError            the named thing does not exist (in this project)
├── ConflictError            the request contradicts what is there
│   ├── AlreadyExistsError
│   ├── InvalidStateError    the thing exists but cannot do that now
│   └── PreconditionFailedError  somebody else changed it first (If-Match)
├── TemporaryError           the same request may succeed later: retry is decided by this type
│   ├── OverloadedError      refused to protect those already waiting; carries retry_after_seconds
│   └── UnavailableError     something this needs does not answer now
└── InternalError            a defect or damaged data on our side
"""

from typing import ClassVar


class ModelyardError(Exception):
    """Root of the tree.

    Attributes:
        code: stable, snake_case, part of the API; a test holds the list of them against docs/reference/errors.md.
        message: what is wrong with what, one sentence.
        hint: what to do next; empty only where nothing can be done.
        field: path of the offending field in the request ("hyperparameters.epochs"), if one field is at fault.
        retry_after_seconds: when a temporary fault is worth another try; None for permanent ones.
    """

    code: ClassVar[str] = "error"
    retry_after_seconds: float | None = None

    def __init__(self, message: str, *, hint: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field


class InvalidInputError(ModelyardError):
    """The request cannot be understood or is not allowed by its schema."""

    code = "invalid_input"


class TooLargeError(InvalidInputError):
    """The request is over a limit; the message states the limit and what was sent."""

    code = "too_large"


class UnauthenticatedError(ModelyardError):
    """No token came with the request, or it is unknown, expired or revoked."""

    code = "unauthenticated"


class PermissionDeniedError(ModelyardError):
    """The token is valid but its role or project does not allow this action."""

    code = "permission_denied"


class NotFoundError(ModelyardError):
    """The named thing does not exist in this project."""

    code = "not_found"


class ConflictError(ModelyardError):
    """The request contradicts the present state."""

    code = "conflict"


class AlreadyExistsError(ConflictError):
    """The name is taken."""

    code = "already_exists"


class InvalidStateError(ConflictError):
    """The thing exists but its state does not allow this now."""

    code = "invalid_state"


class PreconditionFailedError(ConflictError):
    """The thing was changed since the caller read it (If-Match does not hold)."""

    code = "precondition_failed"


class TemporaryError(ModelyardError):
    """The same request may succeed later."""

    code = "temporary"

    def __init__(
        self, message: str, *, hint: str = "", field: str | None = None, retry_after_seconds: float | None = 1.0
    ) -> None:
        super().__init__(message, hint=hint, field=field)
        self.retry_after_seconds = retry_after_seconds


class OverloadedError(TemporaryError):
    """Refused to protect the requests that already wait."""

    code = "overloaded"


class UnavailableError(TemporaryError):
    """Something that this needs does not answer now."""

    code = "unavailable"


class InternalError(ModelyardError):
    """A defect or damaged data on our side."""

    code = "internal"
