"""Errors of uploads."""

from modelyard.errors import ConflictError, InvalidStateError, NotFoundError, TooLargeError


class UploadNotFoundError(NotFoundError):
    """No upload has this id, or it expired."""

    code = "upload_not_found"


class UploadOffsetMismatchError(ConflictError):
    """A piece that does not start where the stored content ends."""

    code = "upload_offset_mismatch"


class UploadTooLargeError(TooLargeError):
    """More bytes than uploads may have, or than this one announced."""

    code = "upload_too_large"


class UploadIncompleteError(InvalidStateError):
    """The upload was to be used before all announced bytes had arrived."""

    code = "upload_incomplete"
