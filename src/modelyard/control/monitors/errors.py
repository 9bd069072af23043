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


class BaselineTooSmallError(InvalidStateError):
    """The traffic that a monitor compares with has too few rows."""

    code = "monitor_baseline_too_small"


class QualityUnknownError(InvalidStateError):
    """The version says nowhere how good it was."""

    code = "monitor_quality_unknown"


class ScheduleInvalidError(InvalidInputError):
    """A schedule that never comes due, or more than one at once."""

    code = "monitor_schedule_invalid"


class BaselineInvalidError(InvalidInputError):
    """A baseline that is none."""

    code = "monitor_baseline_invalid"


class NothingToAcknowledgeError(InvalidStateError):
    """The monitor's last report is no trouble."""

    code = "monitor_nothing_to_acknowledge"
