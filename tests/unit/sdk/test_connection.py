"""Where the client finds the platform, and whom it sends which token."""

from pathlib import Path

import pytest

from modelyard.sdk.connection import find_connection
from modelyard.sdk.errors import NotConfiguredError

GATEWAY, REGISTRY, JOBS = "http://10.0.0.1:8470", "http://10.0.0.2:8471", "http://10.0.0.3:8472"
LOCAL = "http://127.0.0.1:8470"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a platform that runs on this machine."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "gateway.json").write_text(f'{{"url": "{LOCAL}"}}')
    (tmp_path / "admin.token").write_text("my_local\n")
    return tmp_path


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "TOKEN", "HOME", "REGISTRY_URL", "JOBS_URL", "OPERATIONS_URL"):
        monkeypatch.delenv(f"MODELYARD_{name}", raising=False)


def test_every_path_goes_to_the_application_that_it_names():
    found = find_connection(GATEWAY, "my_token", applications={"registry": f"{REGISTRY}/", "jobs": JOBS})

    assert found.address("/registry/v1/projects") == f"{REGISTRY}/registry/v1/projects"
    assert found.address("/jobs/v1/algorithms") == f"{JOBS}/jobs/v1/algorithms"
    assert found.address("/operations/v1/projects/default/endpoints").startswith(f"{GATEWAY}/operations/v1/")
    assert found.address("/v2/models/digits/infer") == f"{GATEWAY}/v2/models/digits/infer"


def test_one_address_is_that_of_everything():
    found = find_connection(GATEWAY, "my_token")

    assert {found.origin(f"/{name}") for name in ("registry/v1", "jobs/v1", "operations/v1", "v2")} == {GATEWAY}


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODELYARD_URL", GATEWAY)
    monkeypatch.setenv("MODELYARD_REGISTRY_URL", REGISTRY)
    monkeypatch.setenv("MODELYARD_TOKEN", "my_token")

    found = find_connection(None, None)

    assert (found.url, found.token) == (GATEWAY, "my_token")
    assert found.origin("/registry/v1") == REGISTRY
    assert found.origin("/jobs/v1") == GATEWAY


def test_a_state_directory_that_is_named_means_its_own_platform(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODELYARD_URL", GATEWAY)
    monkeypatch.setenv("MODELYARD_REGISTRY_URL", REGISTRY)

    found = find_connection(None, None, home)

    assert (found.url, found.token, found.origin("/registry/v1")) == (LOCAL, "my_local", LOCAL)


@pytest.mark.parametrize(
    ("url", "applications"),
    [(GATEWAY, {}), (None, {"registry": REGISTRY}), (LOCAL, {"jobs": JOBS})],
)
def test_the_token_of_a_state_directory_goes_nowhere_else(url: str | None, applications: dict[str, str], home: Path):
    assert find_connection(url, None, home, applications).token == ""
    assert find_connection(LOCAL, None, home, {"registry": LOCAL}).token == "my_local"


def test_what_is_no_address_is_refused_by_its_name(tmp_path: Path):
    with pytest.raises(NotConfiguredError) as missing:
        find_connection(None, None, tmp_path)
    assert missing.value.field == "url"
    with pytest.raises(NotConfiguredError) as wrong:
        find_connection(GATEWAY, None, tmp_path, {"jobs": "10.0.0.3:8472"})
    assert wrong.value.field == "jobs_url"
