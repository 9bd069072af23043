"""Errors of feedback."""

from modelyard.errors import InvalidInputError


class TruthInvalidError(InvalidInputError):
    """Ground truth that cannot belong to the inference: too many rows, or the wrong number of them."""

    code = "truth_invalid"


class FeedbackFileInvalidError(InvalidInputError):
    """A file of ground truth of an unknown kind, without the columns that it needs, or damaged."""

    code = "feedback_file_invalid"


class WindowInvalidError(InvalidInputError):
    """A time window that cannot be read."""

    code = "window_invalid"
