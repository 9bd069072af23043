"""What can be wrong with a tuning job."""

from modelyard.errors import InvalidInputError, InvalidStateError, NotFoundError


class TuningNotFoundError(NotFoundError):
    """No tuning job of that id in this project."""

    code = "tuning_not_found"


class TuningInvalidError(InvalidInputError):
    """The search cannot be carried out: its space, objectives or strategy do not fit the algorithm."""

    code = "tuning_invalid"


class TrialNotFoundError(NotFoundError):
    """The tuning job has no trial of that number."""

    code = "trial_not_found"


class TrialFilesGoneError(InvalidStateError):
    """A script's model can be registered only while the files of its trial are kept."""

    code = "trial_files_gone"


class TrialUnfinishedError(InvalidStateError):
    """Only the hyper-parameters of a completed trial can be trained and registered."""

    code = "trial_unfinished"
