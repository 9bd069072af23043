"""Requests that botocore has signed are accepted as they are, and refused with the right code once anything differs."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.datastructures import Headers

from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.signatures import signature_of
from modelyard.facades.aws.wire.verification import check_signature, check_time

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = Credentials("AKIAIOSFODNN7EXAMPLE", SECRET)
URL = "http://127.0.0.1:8470"
BODY = b'{"TrainingJobName": "wine"}'

SIGNERS: dict[str, tuple[Callable[[], Any], str, bytes]] = {
    "v4 header": (lambda: SigV4Auth(KEY, "sagemaker", "us-east-1"), f"{URL}/", BODY),
    "v4 header, path that is encoded twice": (
        lambda: SigV4Auth(KEY, "sagemaker", "eu-west-1"),
        f"{URL}/endpoints/a%20b/invocations?x=1&a=%2F",
        BODY,
    ),
    "v4 query": (lambda: SigV4QueryAuth(KEY, "sts", "us-east-1", expires=60), f"{URL}/?Action=GetCallerIdentity", b""),
    "s3 v4 header": (lambda: S3SigV4Auth(KEY, "s3", "us-east-1"), f"{URL}/bucket/tr%C3%A4in//a%20b?tagging", BODY),
    "s3 v4 query": (
        lambda: S3SigV4QueryAuth(KEY, "s3", "us-east-1", expires=60),
        f"{URL}/bucket/a%2Bb?versionId=7",
        b"",
    ),
    "s3 v2 header": (lambda: HmacV1Auth(KEY), f"{URL}/bucket/key?uploads&prefix=x", BODY),
    "s3 v2 query": (lambda: HmacV1QueryAuth(KEY, expires=60), f"{URL}/bucket/key?versionId=7", b""),
}


def signed(kind: str, method: str = "POST") -> WireRequest:
    make, url, body = SIGNERS[kind]
    request = AWSRequest(method=method, url=url, data=body, headers={"X-Amz-Meta-Team": "  wine   cellar "})
    make().add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": "127.0.0.1:8470"}
    path, _, query = request.url.removeprefix(URL).partition("?")
    return WireRequest(method, "http", path, query, Headers(headers), body)


def check(request: WireRequest, secret: str = SECRET) -> None:
    check_signature(signature_of(request), request, secret, request.headers.get("x-amz-content-sha256"))


def changed(request: WireRequest, **parts: Any) -> WireRequest:
    values = {name: getattr(request, name) for name in ("method", "scheme", "raw_path", "raw_query", "headers", "body")}
    return WireRequest(**values | parts)


@pytest.mark.parametrize("kind", SIGNERS)
def test_what_botocore_has_signed_is_accepted(kind):
    request = signed(kind)
    check(request)
    check_time(signature_of(request), datetime.now(UTC))


@pytest.mark.parametrize("kind", SIGNERS)
def test_another_secret_path_or_method_is_refused(kind):
    request = signed(kind)
    code = "InvalidSignatureException" if "sagemaker" in str(request.headers) else "SignatureDoesNotMatch"
    for forged, secret in (
        (request, "another secret"),
        (changed(request, raw_path=f"{request.raw_path}x"), SECRET),
        (changed(request, method="DELETE"), SECRET),
    ):
        with pytest.raises(AwsError) as refused:
            check(forged, secret)
        assert (refused.value.code, refused.value.status) == (code, 403)


def test_another_body_is_refused():
    request = signed("v4 header")
    with pytest.raises(AwsError, match="does not match"):
        check_signature(signature_of(request), changed(request, body=BODY.replace(b"wine", b"beer")), SECRET)


def test_what_stands_for_a_body_is_signed_too():
    request = signed("s3 v4 header")
    with pytest.raises(AwsError, match="does not match"):
        check_signature(signature_of(request), request, SECRET, hashlib.sha256(b"other").hexdigest())


def test_a_query_that_was_added_is_refused():
    request = signed("s3 v4 query")
    with pytest.raises(AwsError, match="does not match"):
        check(changed(request, raw_query=f"{request.raw_query}&partNumber=2"))


@pytest.mark.parametrize(
    ("kind", "after", "code"),
    [
        ("v4 header", timedelta(minutes=16), "InvalidSignatureException"),
        ("v4 header", timedelta(minutes=-16), "InvalidSignatureException"),
        ("s3 v4 header", timedelta(minutes=16), "RequestTimeTooSkewed"),
        ("s3 v4 query", timedelta(seconds=62), "AccessDenied"),
        ("s3 v2 query", timedelta(seconds=62), "AccessDenied"),
    ],
)
def test_signatures_end(kind, after, code):
    request = signed(kind)
    with pytest.raises(AwsError) as refused:
        check_time(signature_of(request), datetime.now(UTC) + after)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [
        ({}, "", "MissingAuthenticationToken"),
        ({"authorization": "AWS4-HMAC-SHA256 nonsense"}, "", "IncompleteSignature"),
        ({}, "X-Amz-Signature=1", "AuthorizationQueryParametersError"),
        ({}, "AWSAccessKeyId=a&Signature=b&Expires=soon", "IncompleteSignature"),
    ],
)
def test_signatures_that_cannot_be_read_say_why(headers, query, code):
    with pytest.raises(AwsError) as refused:
        signature_of(WireRequest("GET", "http", "/", query, Headers(headers)))
    assert refused.value.code == code
