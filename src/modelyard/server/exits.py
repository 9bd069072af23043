"""How every program of the product ends when something is wrong: two lines for people, an exit code for programs."""

import sys
from typing import NoReturn

from modelyard import errors

EXIT_CODES: tuple[tuple[type[errors.ModelyardError], int], ...] = (
    (errors.NotFoundError, 3),
    (errors.UnauthenticatedError, 4),
    (errors.PermissionDeniedError, 4),
    (errors.ConflictError, 5),
    (errors.TemporaryError, 6),
    (errors.InvalidInputError, 2),
    (errors.ModelyardError, 1),
)
"""Documented in docs/reference/cli.md; a test holds the two together."""


def exit_code(error: errors.ModelyardError) -> int:
    """That of the error's nearest family."""
    return next(code for family, code in EXIT_CODES if isinstance(error, family))


def leave(error: errors.ModelyardError) -> NoReturn:
    """Say what is wrong and what to do next, and end."""
    sys.stderr.write(f"Error: {error.message}\n" + (f"Next:  {error.hint}\n" if error.hint else ""))
    sys.exit(exit_code(error))
