"""Which registry a reference means, what is kept of credentials, and what words of a daemon mean."""

import json
import stat

import pytest

from modelyard.engines.containers.pulling import (
    ImageArchitectureError,
    ImageNotFoundError,
    ImagePullFailedError,
    _Progress,
    refusal,
    split,
)
from modelyard.engines.containers.registries import Registries, RegistryRefusedError, registry_of
from modelyard.errors import InvalidInputError

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("reference", "registry", "parts"),
    [
        ("scorer", "docker.io", ("scorer", "latest")),
        ("team/scorer:3", "docker.io", ("team/scorer", "3")),
        ("docker.io/team/scorer", "docker.io", ("docker.io/team/scorer", "latest")),
        ("localhost/scorer:3", "localhost", ("localhost/scorer", "3")),
        ("example.com:5000/a/b", "example.com:5000", ("example.com:5000/a/b", "latest")),
        (f"example.com/a@{DIGEST}", "example.com", ("example.com/a", DIGEST)),
        (f"example.com:5000/a:3@{DIGEST}", "example.com:5000", ("example.com:5000/a", DIGEST)),
    ],
)
def test_a_reference_names_its_registry_its_repository_and_what_of_it(reference, registry, parts):
    assert registry_of(reference) == registry
    assert split(reference) == parts


def test_credentials_are_kept_for_the_owner_alone_and_found_by_any_name_of_a_registry(tmp_path):
    path = tmp_path / "home" / "registries.json"
    registries = Registries(path)
    assert registries.credentials("example.com/a") is None
    registries.add("https://example.com/", "robot", "a:b")
    registries.add("index.docker.io", "me", "secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert registries.credentials("example.com/a:1") == {"username": "robot", "password": "a:b"}
    assert registries.credentials("team/scorer") == {"username": "me", "password": "secret"}
    assert list(json.loads(path.read_text())["auths"]) == ["example.com", "docker.io"]
    assert registries.remove("example.com")
    assert not registries.remove("example.com")
    assert registries.users() == {"docker.io": "me"}
    with pytest.raises(InvalidInputError, match="is not a registry"):
        registries.add("example.com/team", "robot", "x")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("reading manifest 1 in example.com/a: manifest unknown: manifest unknown", ImageNotFoundError),
        ("pull access denied for a, repository does not exist or may require 'docker login'", RegistryRefusedError),
        ("Get https://example.com/v2/: unauthorized: authentication required", RegistryRefusedError),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", ImageArchitectureError),
        ("dial tcp 10.0.0.1:443: connect: connection refused", ImagePullFailedError),
        ("Get https://a/v2/: http: server gave HTTP response to HTTPS client", ImagePullFailedError),
    ],
)
def test_the_words_of_a_daemon_become_one_of_few_errors(words, kind):
    error = refusal("example.com/a:1", words, is_known=False)
    assert type(error) is kind
    assert words in error.message
    assert error.hint


def test_a_registry_without_tls_gets_the_advice_to_name_it_as_insecure():
    error = refusal("example.com/a", "server gave HTTP response to HTTPS client", is_known=False)
    assert "registries.conf" in error.hint


def test_the_progress_of_a_pull_counts_layers_and_bytes():
    progress = _Progress("example.com/a:1")
    assert progress.words() == "it pulls 'example.com/a:1'"
    for line in (
        {"status": "Pulling from a", "id": "1"},
        {"status": "Already exists", "id": "aa"},
        {"status": "Downloading", "id": "bb", "progressDetail": {"current": 1 << 20, "total": 4 << 20}},
        {"status": "Downloading", "id": "cc", "progressDetail": {"current": 4 << 20, "total": 4 << 20}},
        {"status": "Download complete", "id": "cc"},
    ):
        progress.take(line)
    assert progress.words() == "it pulls 'example.com/a:1': 2 of 3 layers, 5 MiB of 8 MiB"
