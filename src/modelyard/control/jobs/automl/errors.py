"""What can be wrong with the report of an AutoML job."""

from modelyard.errors import InvalidStateError, NotFoundError


class ReportNotFoundError(NotFoundError):
    """The job is no AutoML job, or has found out nothing yet."""

    code = "report_not_found"


class NoWinnerError(InvalidStateError):
    """The AutoML job has no winner yet, or none at all."""

    code = "no_winner"
