"""GetPublicAccessBlock and PutPublicAccessBlock: no bucket here is ever public, so all that can be asked is done."""

import hashlib
import re

from starlette.types import Receive

from modelyard.facades.aws.s3.bodies import gathered
from modelyard.facades.aws.wire.answers import WireAnswer
from modelyard.facades.aws.wire.codec import bind, serialize
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.verification import UNSIGNED

_FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_OPENED = re.compile(rb">\s*false\s*<", re.IGNORECASE)


async def privacy_answer(request: WireRequest, body: Receive, request_id: str) -> WireAnswer | None:
    """The answer to a request about who may see a bucket; None for any other.

    Raises:
        AwsError: the bucket is to be opened, or the body is not the one that was signed.
    """
    bound = bind("s3", request) if "publicAccessBlock" in request.query else None
    if bound is not None and bound.name == "GetPublicAccessBlock":
        return serialize(bound, {"PublicAccessBlockConfiguration": dict.fromkeys(_FLAGS, True)}, request_id)
    if bound is None or bound.name != "PutPublicAccessBlock":
        return None
    content = (await gathered(body)).get("body", b"")
    if request.headers.get("x-amz-content-sha256", UNSIGNED) not in (UNSIGNED, hashlib.sha256(content).hexdigest()):
        raise AwsError("XAmzContentSHA256Mismatch", "The body is not the one that was signed.")
    if _OPENED.search(content):
        told = "Buckets of this platform are never public: all four settings of a PublicAccessBlock stay true."
        raise AwsError("NotImplemented", told, status=501)
    return serialize(bound, {}, request_id)
