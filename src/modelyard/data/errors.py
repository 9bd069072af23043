"""What can be wrong with an uploaded dataset."""

from modelyard.errors import InvalidInputError, TooLargeError


class DatasetInvalidError(InvalidInputError):
    """The content is damaged, or is not what its format promises."""

    code = "dataset_invalid"


class DatasetFormatUnknownError(InvalidInputError):
    """The content is none of the formats that datasets have."""

    code = "dataset_format_unknown"


class CsvInvalidError(DatasetInvalidError):
    """A CSV file that cannot be read; the message names the line."""

    code = "csv_invalid"


class DatasetEmptyError(DatasetInvalidError):
    """A dataset without rows or without columns."""

    code = "dataset_empty"


class ArchiveUnsafeError(DatasetInvalidError):
    """A zip with links, paths that leave its folder, or sizes that only a zip bomb has."""

    code = "archive_unsafe"


class DatasetTooLargeError(TooLargeError):
    """More columns, images, pixels or bytes than a dataset may have."""

    code = "dataset_too_large"
