"""Checks signatures by signing the request again with botocore, the reference implementation, and comparing.

Source: as `signatures`.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.signatures import Signature, SignatureKind

SKEW_SECONDS = 15 * 60
MOST_EXPIRES_SECONDS = 7 * 24 * 3600
UNSIGNED = "UNSIGNED-PAYLOAD"
_OWN_QUERY = {"X-Amz-Signature", "Signature", "Expires", "AWSAccessKeyId"}


def check_time(signature: Signature, now: datetime) -> None:
    """Nothing if the signature is of this time.

    Raises:
        AwsError: the caller's clock is wrong, or a presigned URL has ended.
    """
    if signature.expires_at is not None:
        _check_expiry(signature, now)
    elif signature.signed_at is not None and abs((now - signature.signed_at).total_seconds()) > SKEW_SECONDS:
        code = "RequestTimeTooSkewed" if signature.service == "s3" else "InvalidSignatureException"
        raise AwsError(
            code,
            f"Signature expired or not yet current: it was made at {signature.timestamp}, and it is "
            f"{now:%Y%m%dT%H%M%SZ} here. Set the client's clock; {SKEW_SECONDS // 60} minutes are allowed.",
            status=403,
        )


def check_signature(signature: Signature, request: WireRequest, secret: str, payload_sha256: str | None = None) -> None:
    """Nothing if `secret` has signed the request.

    Args:
        signature: what the request says.
        request: with its body, unless `payload_sha256` is given.
        secret: of the access key.
        payload_sha256: what stands for the body in the signature, where that is not the body's hash.

    Raises:
        AwsError: it was another secret, or the request was changed on its way.
    """
    if signature.kind in (SignatureKind.V4_HEADER, SignatureKind.V4_QUERY):
        expected = [_sign_v4(signature, request, secret, payload_sha256)]
    else:
        expected = [_sign_v2(signature, request, secret, path) for path in _resources(request)]
    if not any(hmac.compare_digest(each.encode(), signature.value.encode()) for each in expected):
        raise _mismatch(signature)


def _check_expiry(signature: Signature, now: datetime) -> None:
    ends = signature.expires_at or 0.0
    if signature.signed_at is not None and not 0 < ends - signature.signed_at.timestamp() <= MOST_EXPIRES_SECONDS:
        raise AwsError(
            "AuthorizationQueryParametersError",
            f"X-Amz-Expires must be 1 to {MOST_EXPIRES_SECONDS} seconds.",
            status=400,
        )
    if signature.signed_at is not None and (signature.signed_at - now).total_seconds() > SKEW_SECONDS:
        raise AwsError("AccessDenied", "The presigned URL is of the future. Set the clocks.", status=403)
    if now.timestamp() > ends:
        raise AwsError("AccessDenied", "Request has expired. Make a new presigned URL.", status=403)


def _sign_v4(signature: Signature, request: WireRequest, secret: str, payload_sha256: str | None) -> str:
    is_s3 = signature.service == "s3"
    kind = S3SigV4Auth if is_s3 else SigV4Auth
    signer = kind(Credentials(signature.access_key, secret), signature.service, signature.region)
    headers = HTTPHeaders()
    for name in signature.signed_headers:
        # Several headers of a name count as one, joined; botocore joins them itself.
        for value in request.headers.getlist(name) if name != "host" else [request.host]:
            headers.add_header(name, value)
    url = request.url
    if signature.kind is SignatureKind.V4_QUERY:
        pairs = [pair for pair in request.raw_query.split("&") if pair.partition("=")[0] != "X-Amz-Signature"]
        url = f"{request.base_url}{request.raw_path}?{'&'.join(pairs)}"
        payload_sha256 = payload_sha256 or (UNSIGNED if is_s3 else None)
    stand_in: Any = AWSRequest(method=request.method, url=url, data=request.body)
    stand_in.context["timestamp"] = signature.timestamp
    payload = payload_sha256 or hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(
        [
            request.method,
            signer._normalize_url_path(urlsplit(url).path),  # noqa: SLF001 - S3 does it in its own way
            _canonical_query(url),
            signer.canonical_headers(headers) + "\n",
            ";".join(signature.signed_headers),
            payload,
        ]
    )
    return str(signer.signature(signer.string_to_sign(stand_in, canonical), stand_in))


def _canonical_query(url: str) -> str:
    return str(SigV4Auth(None, "", "")._canonical_query_string_url(urlsplit(url)))  # noqa: SLF001 - part of the reference


def _resources(request: WireRequest) -> tuple[str, ...]:
    """What version 2 may call the resource: a bucket's path ends with a slash or does not, as the client likes."""
    path = request.path_style
    is_bucket = "/" not in path.strip("/")
    return (f"{path.rstrip('/')}/", path.rstrip("/") or "/") if is_bucket else (path,)


def _sign_v2(signature: Signature, request: WireRequest, secret: str, resource: str) -> str:
    headers = HTTPHeaders()
    for name, value in request.headers.items():
        headers.add_header(name, value)
    date = request.headers.get("date", "")
    if signature.kind is SignatureKind.V2_QUERY:
        date = str(int(signature.expires_at or 0))
        for name, value in request.query.items():  # presigning moves headers into the query
            if name.startswith("x-amz-") or name in ("content-md5", "content-type"):
                del headers[name]  # setting one adds to what is there
                headers[name] = value
    elif "x-amz-date" in request.headers:
        date = ""
    pairs = [pair for pair in request.raw_query.split("&") if pair.partition("=")[0] not in _OWN_QUERY]
    split = urlsplit(f"{request.base_url}{request.raw_path}?{'&'.join(pairs)}")
    return str(
        _DatedHmac(Credentials(signature.access_key, secret), date).get_signature(
            request.method, split, headers, auth_path=resource
        )
    )


class _DatedHmac(HmacV1Auth):  # type: ignore[misc] # botocore has no types
    """Version 2 with the date of the request; botocore's own takes the present moment."""

    def __init__(self, credentials: Credentials, date: str) -> None:
        super().__init__(credentials)
        self._date = date

    def _get_date(self) -> str:
        return self._date


def _mismatch(signature: Signature) -> AwsError:
    code = "SignatureDoesNotMatch" if signature.service in ("s3", "sts", "iam") else "InvalidSignatureException"
    return AwsError(
        code,
        "The request signature we calculated does not match the signature you provided. Look at the secret access key, "
        "and whether something between client and platform changes requests.",
        status=403,
    )
