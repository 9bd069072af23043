"""Errors of captures."""

from modelyard.errors import InvalidInputError, NotFoundError


class InferenceNotFoundError(NotFoundError):
    """No captured inference has this id."""

    code = "inference_not_found"


class ColumnMaskedError(InvalidInputError):
    """A column that was asked for is personal: its captured values were hashed or dropped."""

    code = "column_masked"


class TimeRangeInvalidError(InvalidInputError):
    """A time range that is empty or has no time zone."""

    code = "time_range_invalid"
