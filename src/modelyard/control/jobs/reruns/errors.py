"""What can be wrong with a rerun."""

from modelyard.errors import InvalidStateError


class RerunImpossibleError(InvalidStateError):
    """The job is of a kind that makes nothing to compare, or one of the two has not completed."""

    code = "rerun_impossible"
