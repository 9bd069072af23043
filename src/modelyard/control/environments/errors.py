"""Errors of environments."""

from modelyard.errors import InvalidInputError, UnavailableError


class EnvironmentBuildFailedError(InvalidInputError):
    """The packages that a model asks for cannot be had, or do not go together."""

    code = "environment_build_failed"


class EnvironmentToolMissingError(UnavailableError):
    """There is no uv on this machine."""

    code = "environment_tool_missing"
