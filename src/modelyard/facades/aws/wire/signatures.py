"""The parts of a signature, from the header or from the query of a presigned URL. Knows nothing of secrets.

Source: "AWS Signature Version 4 for API requests" (IAM User Guide), "Signing and authenticating REST requests" (S3,
signature version 2).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest

TIMESTAMP = "%Y%m%dT%H%M%SZ"
_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+)\s*,\s*SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_CREDENTIAL_PARTS = 5


class SignatureKind(StrEnum):
    """How a request was signed."""

    V4_HEADER = "v4 header"
    V4_QUERY = "v4 query"
    V2_HEADER = "v2 header"
    V2_QUERY = "v2 query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a request says about its own signature.

    Attributes:
        service: that it was signed for; "s3" for version 2, which knows no other here.
        signed_at: None where version 2 says only when it ends.
        expires_at: of presigned URLs, in seconds since 1970.
    """

    kind: SignatureKind
    access_key: str
    value: str
    service: str = "s3"
    region: str = ""
    signed_headers: tuple[str, ...] = ()
    timestamp: str = ""
    signed_at: datetime | None = None
    expires_at: float | None = None
    session_token: str = ""


def signature_of(request: WireRequest) -> Signature:
    """The signature of a request.

    Raises:
        AwsError: there is none, or it cannot be read.
    """
    header = request.headers.get("authorization", "")
    query = request.query
    if header.startswith("AWS4-HMAC-SHA256"):
        return _from_header(header, request)
    if header.startswith("AWS "):
        key, _, value = header[4:].partition(":")
        token = request.headers.get("x-amz-security-token", "")
        return Signature(kind=SignatureKind.V2_HEADER, access_key=key, value=value, session_token=token)
    if "X-Amz-Signature" in query:
        return _from_query(query)
    if "AWSAccessKeyId" in query and "Signature" in query:
        return _from_query_v2(query)
    raise AwsError(
        "MissingAuthenticationToken",
        "The request is not signed. Give the client an access key; `modelyard aws-credentials` prints one.",
        status=403,
    )


def _from_header(header: str, request: WireRequest) -> Signature:
    found = _HEADER.fullmatch(header.strip())
    if found is None:
        raise _incomplete("the Authorization header has not the parts Credential, SignedHeaders and Signature")
    timestamp = request.headers.get("x-amz-date", "")
    return _v4(
        SignatureKind.V4_HEADER,
        found["credential"],
        found["headers"],
        found["signature"],
        timestamp,
        request.headers.get("x-amz-security-token", ""),
    )


def _from_query(query: dict[str, str]) -> Signature:
    names = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires")
    missing = [name for name in names if name not in query]
    if missing:
        raise AwsError(
            "AuthorizationQueryParametersError", f"The presigned URL lacks {' and '.join(missing)}.", status=400
        )
    expires = query["X-Amz-Expires"]
    return _v4(
        SignatureKind.V4_QUERY,
        query["X-Amz-Credential"],
        query["X-Amz-SignedHeaders"],
        query["X-Amz-Signature"],
        query["X-Amz-Date"],
        query.get("X-Amz-Security-Token", ""),
        int(expires) if expires.isascii() and expires.isdigit() else -1,
    )


def _from_query_v2(query: dict[str, str]) -> Signature:
    expires = query.get("Expires", "")
    if not (expires.isascii() and expires.isdigit()):
        raise _incomplete("the presigned URL has no Expires in seconds since 1970")
    return Signature(
        kind=SignatureKind.V2_QUERY,
        access_key=query["AWSAccessKeyId"],
        value=query["Signature"],
        expires_at=float(expires),
        session_token=query.get("x-amz-security-token", ""),
    )


def _v4(
    kind: SignatureKind,
    credential: str,
    headers: str,
    value: str,
    timestamp: str,
    token: str,
    expires: int | None = None,
) -> Signature:
    parts = credential.rsplit("/", _CREDENTIAL_PARTS - 1)
    if len(parts) != _CREDENTIAL_PARTS or parts[4] != "aws4_request" or not timestamp.startswith(parts[1]):
        raise _incomplete("its Credential must be key/date/region/service/aws4_request, with the date of X-Amz-Date")
    try:
        signed_at = datetime.strptime(timestamp, TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _incomplete("X-Amz-Date must look like 20260131T235959Z") from None
    return Signature(
        kind=kind,
        access_key=parts[0],
        region=parts[2],
        service=parts[3],
        signed_headers=tuple(headers.lower().split(";")),
        value=value,
        timestamp=timestamp,
        signed_at=signed_at,
        expires_at=None if expires is None else signed_at.timestamp() + expires,
        session_token=token,
    )


def _incomplete(words: str) -> AwsError:
    return AwsError("IncompleteSignature", f"The signature cannot be read: {words}.", status=403)
