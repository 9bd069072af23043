"""Faults as AWS's clients know them, and what our own errors are called there."""

from collections.abc import Mapping
from typing import Any

from modelyard import errors
from modelyard.control.access_keys.errors import (
    AccessKeyInvalidError,
    SessionTokenExpiredError,
    SessionTokenInvalidError,
)
from modelyard.storage.keyset import CursorInvalidError


class AwsError(Exception):
    """An answer that is an error, in the words of AWS.

    Not part of our own tree: operations raise it where AWS's clients wait for a certain code (waiters do), and let our
    errors pass everywhere else; `aws_error` translates those.

    Attributes:
        code: as clients match it: ValidationException, ResourceNotFound.
        message: what is wrong, and what to do.
        status: of the answer, where the service's model does not say it.
        members: further members of the error's shape.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})


def validation_error(message: str) -> AwsError:
    """A request that the operation does not take; also "not found" of SageMaker's older resources."""
    return AwsError("ValidationException", message)


def not_found(message: str) -> AwsError:
    """What SageMaker's newer resources say where the older ones say `validation_error`: there is no such thing."""
    return AwsError("ResourceNotFound", message, status=404)


_CODES: dict[type[errors.ModelyardError], tuple[str, int]] = {
    AccessKeyInvalidError: ("UnrecognizedClientException", 403),
    SessionTokenInvalidError: ("UnrecognizedClientException", 403),
    SessionTokenExpiredError: ("ExpiredTokenException", 403),
    errors.InvalidInputError: ("ValidationException", 400),
    errors.NotFoundError: ("ResourceNotFound", 404),
    errors.AlreadyExistsError: ("ResourceInUse", 400),
    errors.ConflictError: ("ConflictException", 409),
    errors.PermissionDeniedError: ("AccessDeniedException", 403),
    errors.UnauthenticatedError: ("UnrecognizedClientException", 403),
    errors.OverloadedError: ("ThrottlingException", 429),
    errors.TemporaryError: ("ServiceUnavailable", 503),
    errors.ModelyardError: ("InternalFailure", 500),
}


_XML_CODES = {
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
    "AccessDeniedException": "AccessDenied",
    "ValidationException": "ValidationError",
    "InvalidSignatureException": "SignatureDoesNotMatch",
}
"""What services of the query protocol (STS, IAM) call the same faults."""


def aws_error(error: errors.ModelyardError) -> AwsError:
    """One of our errors in AWS's words; its hint goes into the message, for clients show nothing else."""
    if isinstance(error, CursorInvalidError):
        return validation_error("Invalid NextToken: it is not one that this operation gave out for this request.")
    code, status = next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
    return AwsError(code, words(error), status=status)


def in_protocol(error: AwsError, protocol: str) -> AwsError:
    """The error as services of this protocol call it."""
    if protocol != "query" or error.code not in _XML_CODES:
        return error
    return AwsError(_XML_CODES[error.code], error.message, status=error.status, members=error.members)


_S3_CODES: dict[type[errors.ModelyardError], str] = {
    AccessKeyInvalidError: "InvalidAccessKeyId",
    SessionTokenInvalidError: "InvalidToken",
    SessionTokenExpiredError: "ExpiredToken",
    errors.PermissionDeniedError: "AccessDenied",
    errors.TemporaryError: "ServiceUnavailable",
    errors.ModelyardError: "InternalError",
}


def s3_error(error: errors.ModelyardError) -> AwsError:
    """The same in S3's words."""
    code = next(_S3_CODES[kind] for kind in type(error).__mro__ if kind in _S3_CODES)
    return AwsError(code, words(error), status=aws_error(error).status)


def words(error: errors.ModelyardError) -> str:
    """Message and hint as one text."""
    return f"{error.message.rstrip('.')}. {error.hint}".strip() if error.hint else error.message
