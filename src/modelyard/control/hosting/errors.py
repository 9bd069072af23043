"""Errors of hosting."""

from modelyard.errors import InvalidInputError


class ModelArchiveInvalidError(InvalidInputError):
    """A model.tar.gz that is none, or holds nothing that can be served by the image beside it."""

    code = "model_archive_invalid"
