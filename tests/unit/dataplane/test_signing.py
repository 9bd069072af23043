"""Signed requests: what botocore signs is accepted for its key, moment and content, and nothing else is."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from modelyard.dataplane.errors import AccessKeyUnknownError, SignatureInvalidError
from modelyard.dataplane.gateway.access import Access
from modelyard.dataplane.gateway.signing import Signatures, claim_of, date_key
from modelyard.types.access import Role
from modelyard.types.routing import RouteToken

KEY, SECRET = "AKIAEXAMPLEEXAMPLE00", "a secret of forty characters, more or les"
PATH = b"/endpoints/Churn/invocations"
BODY = b"1,2,3\n"


def signed(
    secret: str = SECRET, path: bytes = PATH, body: bytes = BODY, region: str = "eu-west-1"
) -> tuple[bytes, dict[bytes, bytes]]:
    request = AWSRequest("POST", f"http://127.0.0.1:8080{path.decode()}", data=body)
    request.headers["Content-Type"] = "text/csv"
    request.headers["X-Amzn-SageMaker-Custom-Attributes"] = "trace  =  7"
    SigV4Auth(Credentials(KEY, secret), "sagemaker", region).add_auth(request)
    headers = {name.lower().encode(): value.encode() for name, value in request.headers.items()}
    return headers[b"authorization"], {**headers, b"host": b"127.0.0.1:8080"}


def access(*days: datetime) -> Access:
    made = Access()
    dates = [day.strftime("%Y%m%d") for day in (days or (datetime.now(UTC),))]
    keys = {date: date_key(SECRET, date) for date in dates}
    made.follow([RouteToken(id=KEY, secret_sha256="", project="churn", role=Role.VIEWER, date_keys=keys)])
    return made


@pytest.mark.parametrize("path", [PATH, PATH + b"?b=2&a=1", b"/endpoints/a%20b/invocations"])
def test_what_a_client_signs_is_accepted(path: bytes):
    authorization, headers = signed(path=path)
    gateway = access()
    caller = gateway.prove(gateway.claim(authorization, headers), b"POST", path, headers, BODY)
    assert (caller.token_id, caller.project) == (KEY, "churn")


@pytest.mark.parametrize(
    ("method", "path", "changes", "body"),
    [
        (b"GET", PATH, {}, BODY),
        (b"POST", PATH + b"2", {}, BODY),
        (b"POST", PATH, {b"x-amzn-sagemaker-custom-attributes": b"trace = 8"}, BODY),
        (b"POST", PATH, {b"host": b"elsewhere"}, BODY),
        (b"POST", PATH, {}, b"1,2,4\n"),
    ],
)
def test_what_was_changed_since_is_refused(method: bytes, path: bytes, changes: dict[bytes, bytes], body: bytes):
    authorization, headers = signed()
    gateway = access()
    with pytest.raises(SignatureInvalidError, match="does not fit"):
        gateway.prove(gateway.claim(authorization, headers), method, path, {**headers, **changes}, body)


def test_another_secret_and_another_key_are_refused():
    authorization, headers = signed(secret="another one")
    gateway = access()
    with pytest.raises(SignatureInvalidError):
        gateway.prove(gateway.claim(authorization, headers), b"POST", PATH, headers, BODY)
    with pytest.raises(AccessKeyUnknownError):
        Access().claim(authorization, headers)


def test_a_signature_is_good_for_five_minutes_and_only_on_days_whose_key_is_known():
    authorization, headers = signed()
    claim, keys = claim_of(authorization), {"20000101": "00"}
    known = {claim.date: date_key(SECRET, claim.date)}
    at = datetime.now(UTC)
    for seconds in (-290, 290):
        Signatures().check(claim, known, b"POST", PATH, headers, BODY, at + timedelta(seconds=seconds))
    for seconds in (-320, 320):
        with pytest.raises(SignatureInvalidError, match="was signed for"):
            Signatures().check(claim, known, b"POST", PATH, headers, BODY, at + timedelta(seconds=seconds))
    with pytest.raises(SignatureInvalidError, match="no key is known"):
        Signatures().check(claim, keys, b"POST", PATH, headers, BODY)


def test_a_signature_must_hold_host_and_date():
    authorization, headers = signed()
    short = authorization.replace(b"content-type;host;", b"content-type;")
    with pytest.raises(SignatureInvalidError, match="leaves out"):
        access().prove(claim_of(short), b"POST", PATH, headers, BODY)
    for junk in (b"AWS4-HMAC-SHA256 ", b"AWS4-HMAC-SHA256 Credential=a", authorization + b"x"):
        with pytest.raises(SignatureInvalidError, match="Signature Version 4"):
            claim_of(junk)
