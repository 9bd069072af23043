"""Errors of endpoints."""

from modelyard.errors import AlreadyExistsError, InternalError, InvalidInputError, InvalidStateError, NotFoundError


class EndpointNotFoundError(NotFoundError):
    """No endpoint has this name in the project."""

    code = "endpoint_not_found"


class EndpointExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "endpoint_exists"


class EndpointDeletingError(InvalidStateError):
    """The endpoint is on its way out; nothing about it can be changed."""

    code = "endpoint_deleting"


class VariantsInvalidError(InvalidInputError):
    """Variants that cannot serve together."""

    code = "variants_invalid"


class VariantNotFoundError(NotFoundError):
    """The endpoint has no such variant."""

    code = "variant_not_found"


class BundleReplacedError(InternalError):
    """The registry has another content under a version than when the endpoint was made."""

    code = "bundle_replaced"
