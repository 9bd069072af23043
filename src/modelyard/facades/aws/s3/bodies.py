"""Bodies on their way to the store."""

from starlette.types import Message, Receive

from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest

_MOST_XML_BYTES = 64 << 10


async def begun(request: WireRequest, body: Receive) -> Receive | None:
    """The same body once its first bytes are there; None if the client has left before.

    SeaweedFS stores an empty object, over what was there, when a client leaves between the head and the body: such a
    request must not reach it.
    """
    is_expected = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if not is_expected:
        return body
    first = await body()
    while first["type"] == "http.request" and not first.get("body") and first.get("more_body"):
        first = await body()
    return None if first["type"] != "http.request" else after(first, body)


def after(first: Message, rest: Receive) -> Receive:
    """A body whose first message was taken already."""
    waiting = [first]

    async def receive() -> Message:
        return waiting.pop() if waiting else await rest()

    return receive


async def without_key_service(body: Receive) -> Receive:
    """The same body, of PutBucketEncryption.

    Raises:
        AwsError: it asks for a key service. SeaweedFS has none, takes the request, and no object after it.
    """
    message = await gathered(body)
    if b"aws:kms" in message["body"]:
        told = "The platform's own S3 store has no key service (aws:kms). Set SSEAlgorithm to AES256."
        raise AwsError("NotImplemented", told, status=501)
    return after(message, body)


async def gathered(body: Receive, most_bytes: int = _MOST_XML_BYTES) -> Message:
    """The whole of a body in one message; of one over `most_bytes`, its beginning."""
    message = await body()
    content = message.get("body", b"")
    while message.get("more_body") and len(content) <= most_bytes:
        message = await body()
        content += message.get("body", b"")
    return {**message, "body": content}
