"""What `up` hands to the processes that it starts."""

from pydantic import SecretStr

from modelyard.server.up import _plain
from modelyard.settings import Settings


def test_secrets_reach_the_children_as_they_are(tmp_path):
    settings = Settings(home=tmp_path, s3_secret_key=SecretStr("the secret"), smtp_url=SecretStr("smtp://u:p@host"))
    given = _plain(settings)
    assert (given["s3_secret_key"], given["smtp_url"]) == ("the secret", "smtp://u:p@host")
    assert "service_token" not in given
