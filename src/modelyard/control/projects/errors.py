"""Errors of projects. ProjectNotFoundError lives in control.rest.guard, which every application shares."""

from modelyard.errors import AlreadyExistsError, ConflictError, InvalidStateError


class ProjectExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "project_exists"


class ProjectNotEmptyError(InvalidStateError):
    """A project that still holds things cannot be deleted."""

    code = "project_not_empty"


class QuotaExceededError(ConflictError):
    """The project would have more than its quota allows."""

    code = "quota_exceeded"
