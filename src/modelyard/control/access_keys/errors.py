"""Errors of access keys."""

from modelyard.errors import NotFoundError, UnauthenticatedError


class AccessKeyNotFoundError(NotFoundError):
    """No access key has this id (that the caller may see)."""

    code = "access_key_not_found"


class AccessKeyInvalidError(UnauthenticatedError):
    """A request was signed with an access key that is unknown or revoked."""

    code = "access_key_invalid"


class SessionTokenInvalidError(UnauthenticatedError):
    """A session token that was not made here, or belongs to another key."""

    code = "session_token_invalid"


class SessionTokenExpiredError(UnauthenticatedError):
    """The time of a temporary key is over."""

    code = "session_token_expired"
