"""Errors of retraining."""

from modelyard.errors import AlreadyExistsError, InvalidInputError, InvalidStateError, NotFoundError


class PolicyNotFoundError(NotFoundError):
    """No retraining policy of this name in the project."""

    code = "retraining_policy_not_found"


class PolicyExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "retraining_policy_exists"


class RetrainingActiveError(InvalidStateError):
    """A run is under way at the endpoint; one at a time."""

    code = "retraining_active"


class RetrainingImpossibleError(InvalidStateError):
    """What is needed to retrain is not there: a recipe, the training data, labels."""

    code = "retraining_impossible"


class ScheduleInvalidError(InvalidInputError):
    """A schedule that is no cron expression."""

    code = "schedule_invalid"


class DataWindowInvalidError(InvalidInputError):
    """A data window whose kind lacks what it needs."""

    code = "data_window_invalid"
