"""Errors of evaluations."""

from modelyard.errors import ConflictError, InvalidInputError


class ColumnUnknownError(InvalidInputError):
    """Rows cannot be sliced or grouped by a column that the model does not have."""

    code = "evaluation_column_unknown"


class GroupsTooManyError(InvalidInputError):
    """More groups than anybody reads, most of them too small."""

    code = "evaluation_groups_too_many"


class NothingCapturedError(ConflictError):
    """There are no captured requests to judge by."""

    code = "nothing_captured"


class FavourableUnknownError(InvalidInputError):
    """The favourable answer is none that the version gives."""

    code = "favourable_unknown"
