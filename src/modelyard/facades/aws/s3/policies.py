"""POST policies: what a browser's form may upload, written and signed beforehand by who has an access key.

Source: "Browser-based uploads using POST" (S3 API Reference): POST policy, calculating a signature; and its older
form with signature version 2.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.utils import parse_timestamp

from modelyard.facades.aws.wire.errors import AwsError

MOST_BYTES = 5 << 30
_UNCHECKED = frozenset(("x-amz-signature", "signature", "awsaccesskeyid", "policy", "file"))
_SCOPE_PARTS = 5


@dataclass(frozen=True, slots=True)
class FormKey:
    """Whose form it says to be."""

    access_key: str
    session_token: str


def key_of(fields: Mapping[str, str]) -> FormKey:
    """Who is said to have signed the policy.

    Raises:
        AwsError: nobody is named; forms of strangers are not taken.
    """
    access_key = fields.get("x-amz-credential", "").partition("/")[0] or fields.get("awsaccesskeyid", "")
    if not access_key or "policy" not in fields:
        raise AwsError("AccessDenied", "A form needs a policy that an access key has signed.", status=403)
    return FormKey(access_key, fields.get("x-amz-security-token", ""))


def check_signature(fields: Mapping[str, str], secret: str) -> None:
    """Nothing if `secret` has signed the policy.

    Raises:
        AwsError: it has not.
    """
    policy = fields["policy"].encode()
    if "x-amz-credential" in fields:
        parts = fields["x-amz-credential"].split("/")
        key = f"AWS4{secret}".encode()
        for part in parts[-_SCOPE_PARTS + 1 :]:
            key = hmac.digest(key, part.encode(), "sha256")
        expected, claimed = hmac.digest(key, policy, "sha256").hex(), fields.get("x-amz-signature", "")
    else:
        digest = hmac.digest(secret.encode(), policy, hashlib.sha1)
        expected, claimed = base64.b64encode(digest).decode(), fields.get("signature", "")
    if not hmac.compare_digest(expected.encode(), claimed.encode()):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The signature of the form's policy is not the one that its access key makes. Look at the secret.",
            status=403,
        )


def allowed_sizes(fields: Mapping[str, str], bucket: str, now: datetime) -> tuple[int, int]:
    """The least and most bytes that the policy allows, if it allows this form.

    Raises:
        AwsError: its time is over, or a field is not what it says.
    """
    policy = _decoded(fields["policy"])
    try:
        expires = parse_timestamp(policy["expiration"]).astimezone(UTC)
        conditions = [_condition(each) for each in policy["conditions"]]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise _malformed("it needs an expiration, and conditions of the three forms") from None
    if expires <= now:
        raise _denied("Policy expired.")
    values = {**fields, "bucket": bucket}
    sizes, named = (0, MOST_BYTES), set()
    for operator, name, wanted in conditions:
        if operator == "content-length-range":
            sizes = (int(name), int(wanted))
            continue
        named.add(name)
        value = values.get(name, "")
        if not (value.startswith(wanted) if operator == "starts-with" else value == wanted):
            raise _denied(f'Policy Condition failed: ["{operator}", "${name}", "{wanted}"]')
    extra = [name for name in fields if name not in named | _UNCHECKED and not name.startswith("x-ignore-")]
    if extra:
        raise _denied(f"Extra input fields: {', '.join(sorted(extra))}")
    return sizes


def _condition(given: Any) -> tuple[str, str, str]:
    if isinstance(given, dict):
        ((name, value),) = given.items()
        return "eq", name.lower(), str(value)
    operator, name, value = given
    operator = operator.lower()
    if operator == "content-length-range":
        return operator, str(int(name)), str(int(value))
    if operator not in ("eq", "starts-with") or not name.startswith("$"):
        raise ValueError(operator)
    return operator, name[1:].lower(), str(value)


def _decoded(text: str) -> dict[str, Any]:
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
    except ValueError:
        raise _malformed("it is no JSON in base64") from None
    if not isinstance(policy, dict):
        raise _malformed("it is no JSON object")
    return policy


def _denied(words: str) -> AwsError:
    return AwsError("AccessDenied", f"Invalid according to Policy: {words}", status=403)


def _malformed(words: str) -> AwsError:
    return AwsError("InvalidPolicyDocument", f"The policy of the form cannot be read: {words}.")
