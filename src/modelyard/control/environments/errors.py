"""Errors of environments."""

from modelyard.errors import AlreadyExistsError, InvalidInputError, NotFoundError, UnavailableError


class EnvironmentBuildFailedError(InvalidInputError):
    """The packages that a model asks for cannot be had, or do not go together."""

    code = "environment_build_failed"


class EnvironmentToolMissingError(UnavailableError):
    """There is no uv on this machine."""

    code = "environment_tool_missing"


class EnvironmentNotFoundError(NotFoundError):
    """No environment of that name."""

    code = "environment_not_found"


class EnvironmentExistsError(AlreadyExistsError):
    """The name means another environment."""

    code = "environment_exists"


class EnvironmentInvalidError(InvalidInputError):
    """Nothing, too much, or a Python that is not here was asked for."""

    code = "environment_invalid"
