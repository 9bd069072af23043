"""Which requests at the one port are for the AWS APIs. Knows no AWS library, so it works without the extra."""

from urllib.parse import parse_qsl

from starlette.types import Scope

from modelyard.facades.aws.wire.requests import WireRequest

_ALGORITHMS = (b"AWS4-HMAC-SHA256 ", b"AWS4-ECDSA-P256-SHA256 ", b"AWS ")
_QUERY_MARKS = ({"X-Amz-Algorithm", "X-Amz-Signature"}, {"AWSAccessKeyId", "Signature"})


def is_for_aws(scope: Scope) -> bool:
    """Whether a request is signed the AWS way, in its head, query or form, or names one of its operations."""
    for name, value in scope["headers"]:
        if name == b"authorization" and value.startswith(_ALGORITHMS):
            return True
        if name == b"x-amz-target":
            return True
    if is_form(scope):
        return True
    query: bytes = scope["query_string"]
    if b"Signature=" not in query:
        return False
    names = {name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    return any(marks <= names for marks in _QUERY_MARKS)


def is_form(scope: Scope) -> bool:
    """Whether it is a browser's form for a bucket; its signature is in one of its fields."""
    if scope["method"] != "POST" or scope["query_string"]:
        return False
    headers = dict(scope["headers"])
    is_multipart = headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data")
    if not is_multipart or b"authorization" in headers:
        return False
    bucket = WireRequest.of(scope).path_style.strip("/")
    return bool(bucket) and "/" not in bucket
