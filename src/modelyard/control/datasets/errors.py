"""Errors of datasets. What can be wrong with the data itself is in data.errors."""

from modelyard.errors import AlreadyExistsError, InvalidInputError, InvalidStateError, NotFoundError


class DatasetNotFoundError(NotFoundError):
    """No dataset has this name in the project."""

    code = "dataset_not_found"


class DatasetVersionNotFoundError(NotFoundError):
    """The dataset has no version of this number."""

    code = "dataset_version_not_found"


class DatasetExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "dataset_exists"


class DatasetInUseError(InvalidStateError):
    """Model versions were trained on it, so it cannot be deleted."""

    code = "dataset_in_use"


class DatasetFormatMismatchError(InvalidInputError):
    """The content has another format than the request says."""

    code = "dataset_format_mismatch"
