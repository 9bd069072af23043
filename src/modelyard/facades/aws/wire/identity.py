"""From a signature to one of our callers."""

from modelyard.control.access_keys.service import AccessKeyService
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.signatures import Signature
from modelyard.facades.aws.wire.verification import check_signature, check_time
from modelyard.kit.clock import Clock
from modelyard.types.access import Principal


def identify(signature: Signature, request: WireRequest, keys: AccessKeyService, clock: Clock) -> Principal:
    """Who has signed the request, whose body must be there.

    Raises:
        UnauthenticatedError: the key is not known, or its time is over.
        AwsError: the signature is of another time, another secret or another request.
    """
    check_time(signature, clock.now())
    key = keys.find(signature.access_key, signature.session_token)
    check_signature(signature, request, key.secret)
    return Principal(id=key.id, name=key.name, role=key.role, project=key.project, expires_at=key.expires_at)
