"""Errors of tokens."""

from modelyard.errors import InvalidInputError, NotFoundError, UnauthenticatedError


class TokenInvalidError(UnauthenticatedError):
    """No such token."""

    code = "token_invalid"


class TokenExpiredError(UnauthenticatedError):
    """The token's time is over."""

    code = "token_expired"


class TokenRevokedError(UnauthenticatedError):
    """Somebody revoked the token."""

    code = "token_revoked"


class TokenNotFoundError(NotFoundError):
    """No token has this id (that the caller may see)."""

    code = "token_not_found"


class TokenLifetimeInvalidError(InvalidInputError):
    """A token that would have expired before it was made."""

    code = "token_lifetime_invalid"
