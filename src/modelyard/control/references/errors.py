"""Errors of data that is named and not sent."""

from modelyard.errors import InvalidInputError, TooLargeError, UnavailableError


class ReferenceInvalidError(InvalidInputError):
    """What is named holds no rows for this model: an unknown form, damaged, or images."""

    code = "reference_invalid"


class ReferenceForbiddenError(InvalidInputError):
    """Data that may not be fetched: the host is not allowed or internal, or the key is another project's."""

    code = "reference_forbidden"


class ReferenceTooLargeError(TooLargeError):
    """More data than may be fetched, or than is answered as a stream."""

    code = "reference_too_large"


class ReferenceUnreachableError(UnavailableError):
    """The host does not answer, or not with the data."""

    code = "reference_unreachable"
