"""Errors of detectors of one's own."""

from modelyard.errors import InvalidInputError, InvalidStateError, NotFoundError, PermissionDeniedError


class DetectorNotFoundError(NotFoundError):
    """The project has no detector of this name."""

    code = "detector_not_found"


class DetectorInvalidError(InvalidInputError):
    """The file is no Python, or defines no detector."""

    code = "detector_invalid"


class DetectorCodeForbiddenError(PermissionDeniedError):
    """The project does not permit code."""

    code = "detector_code_forbidden"


class DetectorFailedError(InvalidStateError):
    """The detector gave no verdict."""

    code = "detector_failed"
