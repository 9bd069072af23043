"""What can be wrong with a job request."""

from modelyard.errors import InvalidInputError, NotFoundError


class JobNotFoundError(NotFoundError):
    """No job of that id in this project."""

    code = "job_not_found"


class JobInvalidError(InvalidInputError):
    """The recipe cannot be run: a channel, the target or the resources do not fit."""

    code = "job_invalid"
