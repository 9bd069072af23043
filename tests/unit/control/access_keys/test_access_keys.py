"""Access keys: their secrets follow from their ids, and they end when they should."""

from datetime import timedelta

import pytest

from modelyard.control.access_keys.errors import (
    AccessKeyInvalidError,
    SessionTokenExpiredError,
    SessionTokenInvalidError,
)
from modelyard.control.access_keys.repository import AccessKeyRepository
from modelyard.control.access_keys.secrets import Sealer
from modelyard.control.access_keys.service import AccessKeyService
from modelyard.kit.clock import FakeClock
from modelyard.types.access import Role


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(database, clock, tmp_path) -> AccessKeyService:
    return AccessKeyService(database, AccessKeyRepository(), Sealer.at(tmp_path / "signing.key"), clock)


def test_a_key_is_found_with_its_secret_until_it_is_revoked(keys, database, clock, tmp_path):
    made = keys.ensure("notebook", "default", Role.OPERATOR)
    assert keys.ensure("notebook", "default", Role.OPERATOR) == made
    assert keys.ensure("notebook", "default", Role.VIEWER) != made
    found = keys.find(made.id)
    assert (found.secret, found.project, found.role) == (keys.secret(made.id), "default", Role.OPERATOR)
    again = AccessKeyService(database, AccessKeyRepository(), Sealer.at(tmp_path / "signing.key"), clock)
    assert again.find(made.id).secret == found.secret
    assert found.secret not in (tmp_path / "modelyard.db").read_bytes().decode("latin-1")
    keys.revoke(made.id, "default")
    with pytest.raises(AccessKeyInvalidError, match="revoked"):
        keys.find(made.id)
    clock.sleep(6)
    with pytest.raises(AccessKeyInvalidError):
        again.find(made.id)


def test_the_keys_in_force_of_a_project_are_all_there_however_many_were_revoked(keys, clock):
    made = []
    for project in ("default", "shop", "default"):
        clock.sleep(1)
        made.append(keys.create("notebook", project, Role.VIEWER))
    clock.sleep(1)
    keys.revoke(keys.create("notebook", "default", Role.VIEWER).id, "default")
    assert keys.in_force("default") == [made[2], made[0]]


def test_another_signing_key_makes_other_secrets(database, clock, tmp_path):
    assert (tmp_path / "x.key").exists() is False
    one, other = (Sealer.at(tmp_path / name) for name in ("x.key", "y.key"))
    assert one.secret("AKIA") != other.secret("AKIA")
    assert (tmp_path / "x.key").stat().st_mode & 0o777 == 0o600
    assert other.unseal(one.seal({"id": "x"})) is None
    assert one.unseal(one.seal({"id": "x"})) == {"id": "x"}
    assert one.unseal("junk.äöü") is None


def test_a_temporary_key_is_good_for_its_time_and_not_longer_than_its_maker(keys, clock):
    lent = keys.lend("job", "default", Role.DEVELOPER, 600)
    assert keys.find(lent.id, lent.session_token).role is Role.DEVELOPER
    for key_id, token in ((lent.id, ""), (lent.id, lent.session_token[:-2] + "xx"), ("ASIAOTHER", lent.session_token)):
        with pytest.raises(SessionTokenInvalidError):
            keys.find(key_id, token)
    child = keys.lend("child", "default", Role.DEVELOPER, 3600, lent.expires_at)
    assert child.expires_at == lent.expires_at == clock.now() + timedelta(seconds=600)
    clock.sleep(601)
    with pytest.raises(SessionTokenExpiredError):
        keys.find(lent.id, lent.session_token)
