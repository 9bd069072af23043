"""Errors of endpoints. What the gateway also says is said with the gateway's own classes."""

from modelyard.dataplane.errors import EndpointNotFoundError, VariantNotFoundError
from modelyard.errors import AlreadyExistsError, InternalError, InvalidInputError, InvalidStateError

__all__ = [
    "BundleReplacedError",
    "EndpointDeletingError",
    "EndpointExistsError",
    "EndpointNotFoundError",
    "NothingToApproveError",
    "NothingToRollBackError",
    "VariantNotFoundError",
    "VariantsInvalidError",
]


class EndpointExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "endpoint_exists"


class EndpointDeletingError(InvalidStateError):
    """The endpoint is on its way out; nothing about it can be changed."""

    code = "endpoint_deleting"


class VariantsInvalidError(InvalidInputError):
    """Variants that cannot serve together."""

    code = "variants_invalid"


class NothingToApproveError(InvalidStateError):
    """No rollout is under way that asks for a person's approval."""

    code = "nothing_to_approve"


class NothingToRollBackError(InvalidStateError):
    """There is neither a rollout under way nor an earlier one to go back to."""

    code = "nothing_to_roll_back"


class BundleReplacedError(InternalError):
    """The registry has another content under a version than when the endpoint was made."""

    code = "bundle_replaced"
