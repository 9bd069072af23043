"""What can be wrong with an AutoML job."""

from modelyard.errors import InvalidInputError


class AutoMLInvalidError(InvalidInputError):
    """What is asked of an AutoML job does not fit its target or its time."""

    code = "automl_invalid"


class FlamlMissingError(InvalidInputError):
    """FLAML was asked for and is not installed."""

    code = "flaml_missing"


class NoCandidateError(InvalidInputError):
    """Not one candidate could be fitted in the time that there was."""

    code = "no_candidate"
