"""Errors of buckets."""

from modelyard.errors import AlreadyExistsError, InvalidInputError, NotFoundError, UnavailableError


class BucketNotFoundError(NotFoundError):
    """The project has no bucket of this name."""

    code = "bucket_not_found"


class BucketTakenError(AlreadyExistsError):
    """A bucket of this name exists; names are unique in the whole platform."""

    code = "bucket_taken"


class S3UriInvalidError(InvalidInputError):
    """Not of the form s3://bucket/key."""

    code = "s3_uri_invalid"


class KeyReservedError(InvalidInputError):
    """A key that the platform has kept for itself."""

    code = "key_reserved"


class S3ObjectNotFoundError(NotFoundError):
    """Nothing lies under this S3 URI."""

    code = "s3_object_not_found"


class S3UnavailableError(UnavailableError):
    """There is no S3 store, or it does not answer."""

    code = "s3_unavailable"
