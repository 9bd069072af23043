"""What can be wrong with a place in a queue."""

from modelyard.errors import AlreadyExistsError, InvalidInputError, InvalidStateError, NotFoundError


class QueueNotFoundError(NotFoundError):
    """No queue has this name."""

    code = "queue_not_found"


class QueueExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "queue_exists"


class QueueInUseError(InvalidStateError):
    """Jobs are in the queue, or it is the one that jobs go to by default."""

    code = "queue_in_use"


class HostNotFoundError(NotFoundError):
    """No host has this name."""

    code = "host_not_found"


class JobNeverFitsError(InvalidInputError):
    """The job could not start even if nothing else ran: it is refused at once."""

    code = "job_never_fits"


class JobNotWaitingError(InvalidStateError):
    """Only a job that waits can be held, released or moved."""

    code = "job_not_waiting"


class ReservationNotFoundError(NotFoundError):
    """The project has no such reservation."""

    code = "reservation_not_found"


class ReservationInvalidError(InvalidInputError):
    """The window lies in the past, is empty, or the capacity is taken by then."""

    code = "reservation_invalid"
