"""The one table from errors to gRPC's codes."""

import grpc

from modelyard import errors
from modelyard.dataplane import errors as own

_CODES: tuple[tuple[type[errors.ModelyardError], grpc.StatusCode], ...] = (
    # The first that fits counts: exceptions to a family's rule stand before the family.
    (own.DeadlineExceededError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.TooLargeError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDeniedError, grpc.StatusCode.PERMISSION_DENIED),
    (errors.NotFoundError, grpc.StatusCode.NOT_FOUND),
    (errors.AlreadyExistsError, grpc.StatusCode.ALREADY_EXISTS),
    (errors.ConflictError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.OverloadedError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.TemporaryError, grpc.StatusCode.UNAVAILABLE),
)


def code_of(error: errors.ModelyardError) -> grpc.StatusCode:
    """The gRPC code of an error; INTERNAL for what has no row in the table."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
