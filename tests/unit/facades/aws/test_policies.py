"""POST policies: what a form may be. That botocore's own policies hold is tested with the platform."""

import base64
import json
from datetime import UTC, datetime

import pytest

from modelyard.facades.aws.s3.policies import MOST_BYTES, allowed_sizes, check_signature, key_of
from modelyard.facades.aws.wire.errors import AwsError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONDITIONS = [{"bucket": "wine"}, ["starts-with", "$key", "in/"], {"acl": "private"}]


def fields(conditions: object = CONDITIONS, expiration: str = "2026-01-01T01:00:00Z", **more: str) -> dict[str, str]:
    policy = json.dumps({"expiration": expiration, "conditions": conditions}).encode()
    return {"key": "in/a", "acl": "private", "policy": base64.b64encode(policy).decode(), **more}


def test_a_form_that_keeps_to_its_policy_may_have_what_the_policy_allows():
    assert allowed_sizes(fields(), "wine", NOW) == (0, MOST_BYTES)
    ranged = fields([*CONDITIONS, ["content-length-range", 1, 10]])
    assert allowed_sizes(ranged, "wine", NOW) == (1, 10)
    assert allowed_sizes({**fields(), "x-ignore-me": "1"}, "wine", NOW) == (0, MOST_BYTES)


@pytest.mark.parametrize(
    ("form", "bucket", "code", "words"),
    [
        (fields(expiration="2025-12-31T23:59:59Z"), "wine", "AccessDenied", "Policy expired"),
        (fields(), "other", "AccessDenied", '"eq", "\\$bucket", "wine"'),
        (fields(key="out/a"), "wine", "AccessDenied", '"starts-with", "\\$key", "in/"'),
        (fields(**{"content-type": "text/html"}), "wine", "AccessDenied", "Extra input fields: content-type"),
        (fields([["ends-with", "$key", "a"]]), "wine", "InvalidPolicyDocument", "of the three forms"),
        (fields([["content-length-range", "a", "b"]]), "wine", "InvalidPolicyDocument", "of the three forms"),
        (fields(7), "wine", "InvalidPolicyDocument", "of the three forms"),
        (fields(expiration="soon"), "wine", "InvalidPolicyDocument", "of the three forms"),
        ({**fields(), "policy": "%%"}, "wine", "InvalidPolicyDocument", "no JSON in base64"),
        ({**fields(), "policy": "W10="}, "wine", "InvalidPolicyDocument", "no JSON object"),
    ],
)
def test_any_other_form_is_refused_with_the_reason(form, bucket, code, words):
    with pytest.raises(AwsError, match=words) as refused:
        allowed_sizes(form, bucket, NOW)
    assert refused.value.code == code


def test_a_form_needs_the_signature_of_a_key():
    with pytest.raises(AwsError) as nobody:
        key_of(fields())
    assert nobody.value.code == "AccessDenied"
    for named in (
        {"awsaccesskeyid": "AKIA", "signature": "x"},
        {"x-amz-credential": "AKIA/20260101/r/s3/aws4_request"},
    ):
        signed = fields(**named)
        assert key_of(signed).access_key == "AKIA"
        with pytest.raises(AwsError) as refused:
            check_signature(signed, "secret")
        assert refused.value.code == "SignatureDoesNotMatch"
