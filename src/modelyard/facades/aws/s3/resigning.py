"""Requests to S3 signed anew with the store's own keys, in place of the caller's."""

from dataclasses import replace
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.datastructures import Headers
from starlette.types import Scope

from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.verification import UNSIGNED
from modelyard.storage.objects import S3Location

_OF_CALLER = frozenset(
    (b"authorization", b"x-amz-security-token", b"x-amz-date", b"date", b"host", b"x-forwarded-host")
)
_KEY_SERVICE = frozenset(
    (
        b"x-amz-server-side-encryption",
        b"x-amz-server-side-encryption-aws-kms-key-id",
        b"x-amz-server-side-encryption-bucket-key-enabled",
        b"x-amz-server-side-encryption-context",
    )
)
_PRESIGNED = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token")
_QUERY_OF_CALLER = frozenset(
    ("AWSAccessKeyId", "Signature", "Expires", "x-amz-security-token", *(f"X-Amz-{name}" for name in _PRESIGNED))
)


def unframed(scope: Scope, request: WireRequest) -> tuple[Scope, WireRequest]:
    """Without the signatures of a body's chunks, which were checked; what is signed anew says so.

    A body with a trailer keeps its framing, for the trailer's sake; any other goes on as it is.
    """
    length = request.headers.get("x-amz-decoded-content-length", "")
    has_trailer = request.headers.get("x-amz-content-sha256", "").endswith("-TRAILER")
    left_out = {b"content-length", b"transfer-encoding", b"x-amz-content-sha256", b"content-encoding"}
    added = [(b"transfer-encoding", b"chunked"), (b"x-amz-content-sha256", b"STREAMING-UNSIGNED-PAYLOAD-TRAILER")]
    if not has_trailer:
        left_out.add(b"x-amz-decoded-content-length")
        added = [(b"content-length", length.encode()), (b"x-amz-content-sha256", UNSIGNED.encode())]
    encodings = [each.strip() for each in request.headers.get("content-encoding", "").split(",")]
    if kept := ",".join(each for each in encodings if each not in ("", "aws-chunked")):
        added.append((b"content-encoding", kept.encode("latin-1")))
    headers = [pair for pair in scope["headers"] if pair[0] not in left_out]
    changed = {**scope, "headers": headers + added}
    return changed, replace(request, headers=Headers(raw=changed["headers"]))


def resigned(scope: Scope, request: WireRequest, location: S3Location, host: str, *, has_key_service: bool) -> Scope:
    """The scope as the store is to see it: nothing of the caller's signature is left, the bytes of path and body are.

    The body's hash that the caller has signed is signed again, so that the store still checks the body. A store without
    a key service is not asked to encrypt with one, and its answers do not claim it.
    """
    pairs = [pair for pair in request.raw_query.split("&") if pair.partition("=")[0] not in _QUERY_OF_CALLER]
    query = "&".join(pairs)
    left_out = _OF_CALLER if has_key_service else _OF_CALLER | _KEY_SERVICE
    kept = [(name, value) for name, value in scope["headers"] if name not in left_out]
    payload = request.headers.get("x-amz-content-sha256", UNSIGNED)
    signed: dict[str, str] = {"host": host}
    for name, value in kept:
        if name.startswith(b"x-amz-") and name != b"x-amz-content-sha256":
            text = name.decode("latin-1")
            signed[text] = f"{signed[text]},{value.decode('latin-1')}" if text in signed else value.decode("latin-1")
    path = request.raw_path
    target = f"http://{host}{path}" + (f"?{query}" if query else "")
    stand_in: Any = AWSRequest(method=request.method, url=target, headers=signed)
    _Signer(location, payload).add_auth(stand_in)
    added = ("Authorization", "X-Amz-Date", "X-Amz-Content-SHA256")
    headers = [(name, value) for name, value in kept if name != b"x-amz-content-sha256"]
    headers += [(name.lower().encode(), stand_in.headers[name].encode()) for name in added]
    headers.append((b"host", host.encode()))
    return {**scope, "headers": headers, "raw_path": path.encode("latin-1"), "query_string": query.encode("latin-1")}


class _Signer(S3SigV4Auth):  # type: ignore[misc] # botocore has no types
    """botocore's, with a hash of a body that it does not see."""

    def __init__(self, location: S3Location, payload: str) -> None:
        super().__init__(Credentials(location.access_key, location.secret), "s3", location.region)
        self._payload = payload

    def payload(self, request: Any) -> str:  # noqa: ARG002 - the parent's signature
        return self._payload
