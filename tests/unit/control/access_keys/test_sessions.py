"""Temporary keys at the gateway, which has them in no table: it knows them by their tokens."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from modelyard.control.access_keys.repository import AccessKeyRepository
from modelyard.control.access_keys.secrets import Sealer
from modelyard.control.access_keys.service import AccessKeyService
from modelyard.dataplane.errors import AccessKeyUnknownError, SignatureInvalidError
from modelyard.dataplane.gateway.access import Access, Caller
from modelyard.kit.clock import SystemClock
from modelyard.types.access import Role
from modelyard.types.foreign.access_keys import TemporaryKey

PATH, BODY = "/endpoints/churn/invocations", b"1,2\n"


@pytest.fixture
def keys(database, tmp_path) -> AccessKeyService:
    return AccessKeyService(database, AccessKeyRepository(), Sealer.at(tmp_path / "signing.key"), SystemClock())


@pytest.fixture
def gateway(keys: AccessKeyService) -> Access:
    """One that has read the tokens of today's routing table."""
    keys.create("notebook", "shop", Role.OPERATOR)
    made = Access()
    made.follow(keys.route_tokens())
    return made


def asked(gateway: Access, key: TemporaryKey, *, secret: str = "", token: str = "") -> Caller:
    request = AWSRequest("POST", f"http://127.0.0.1{PATH}", data=BODY)
    SigV4Auth(Credentials(key.id, secret or key.secret, token or key.session_token), "sagemaker", "x").add_auth(request)
    headers = {name.lower().encode(): value.encode() for name, value in request.headers.items()}
    headers[b"host"] = b"127.0.0.1"
    claim = gateway.claim(headers[b"authorization"], headers)
    return gateway.prove(claim, b"POST", PATH.encode(), headers, BODY)


def test_a_temporary_key_calls_models_of_its_project(keys: AccessKeyService, gateway: Access):
    key = keys.lend("nightly", "shop", Role.VIEWER, 600)
    for _ in range(2):  # the second time it is remembered
        caller = asked(gateway, key)
        assert (caller.token_id, caller.project, caller.role) == (key.id, "shop", Role.VIEWER)


def test_a_temporary_key_goes_on_when_the_key_that_asked_for_it_is_revoked(keys: AccessKeyService, gateway: Access):
    (permanent,) = keys.signing_keys()
    key = keys.lend("nightly", "shop", Role.VIEWER, 600)
    keys.revoke(permanent.id, None)
    gateway.follow(keys.route_tokens())
    assert asked(gateway, key).token_id == key.id


def test_a_wrong_secret_another_token_and_none_are_refused(keys: AccessKeyService, gateway: Access):
    key, other = (keys.lend("nightly", "shop", Role.VIEWER, 600) for _ in range(2))
    with pytest.raises(SignatureInvalidError):
        asked(gateway, key, secret=other.secret)
    for token in (other.session_token, key.session_token[:-4] + "AAAA", "junk", "a.b.ä", key.session_token.lower()):
        with pytest.raises(AccessKeyUnknownError, match="does not belong"):
            asked(gateway, key, token=token)
    with pytest.raises(AccessKeyUnknownError, match="does not belong"):
        asked(Access(), key)


def test_its_time_ends_at_the_gateway_too(keys: AccessKeyService, gateway: Access):
    over = keys.lend("late", "shop", Role.VIEWER, 600, until=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(AccessKeyUnknownError, match="was good until"):
        asked(gateway, over)


def test_a_seal_of_the_gateways_alone_is_nothing_to_control(keys: AccessKeyService, tmp_path):
    key = keys.lend("nightly", "shop", Role.VIEWER, 600)
    claims, _, seal = key.session_token.split(".")
    assert Sealer.at(tmp_path / "signing.key").unseal(f"{claims}.{seal}.{seal}") is None
