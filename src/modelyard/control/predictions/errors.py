"""Errors of inference that passes through the Operations API."""

from modelyard.errors import InvalidInputError, TooLargeError, UnavailableError


class ReferenceInvalidError(InvalidInputError):
    """What is named holds no rows for this endpoint: an unknown form, damaged, or images."""

    code = "reference_invalid"


class ReferenceForbiddenError(InvalidInputError):
    """Data that may not be fetched: the host is not allowed or internal, or the key is another project's."""

    code = "reference_forbidden"


class ReferenceTooLargeError(TooLargeError):
    """More data than is answered as a stream."""

    code = "reference_too_large"


class ReferenceUnreachableError(UnavailableError):
    """The host does not answer, or not with the data."""

    code = "reference_unreachable"


class InferenceRefusedError(UnavailableError):
    """The gateway did not answer what this API passed on to it; the message says why."""

    code = "inference_refused"
