"""Errors of monitors."""

from modelyard.errors import AlreadyExistsError, InvalidInputError, InvalidStateError, NotFoundError


class MonitorNotFoundError(NotFoundError):
    """No monitor of this name in the project."""

    code = "monitor_not_found"


class MonitorExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "monitor_exists"


class MonitorWindowInvalidError(InvalidInputError):
    """A window that can never hold the rows that a verdict needs."""

    code = "monitor_window_invalid"


class NothingServedError(InvalidStateError):
    """The endpoint has no version with traffic, so that there is nothing to compare."""

    code = "nothing_served"


class ReferenceMissingError(InvalidStateError):
    """The version carries no drift reference."""

    code = "drift_reference_missing"
