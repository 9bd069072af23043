"""Errors of hosting."""

from modelyard.errors import InvalidInputError, NotFoundError


class ModelArchiveInvalidError(InvalidInputError):
    """A model.tar.gz that is none, or holds nothing that can be served by the image beside it."""

    code = "model_archive_invalid"


class HostedModelNotFoundError(NotFoundError):
    """No hosted model of this name."""

    code = "hosted_model_not_found"
