"""Versions appear whole or not at all, whatever fails in between."""

from pathlib import Path

import pytest

from modelyard.control.models.errors import BundleDamagedError, BundleInvalidError
from modelyard.control.models.registration import Submission
from modelyard.errors import NotFoundError
from modelyard.kit.clock import FakeClock
from modelyard.testing.registry import LocalRegistry
from modelyard.testing.registry_client import write_bundle_folder


class CrashError(Exception):
    """What a test does instead of pulling the plug."""


@pytest.fixture
def registry(database, tmp_path) -> LocalRegistry:
    return LocalRegistry(database, tmp_path / "registry", NoProcesses(), clock=FakeClock())


@pytest.fixture
def bundle(tmp_path) -> dict[str, Path]:
    folder = write_bundle_folder(tmp_path / "bundle")
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def crash(*_args, **_kwargs):
    raise CrashError


def stored(registry: LocalRegistry) -> set[str]:
    return {info.key for info in registry.objects.list("models")}


@pytest.mark.parametrize(
    ("part", "method"),
    [
        ("objects", "put_file"),
        ("models._repository", "insert"),
        ("models._repository", "insert_version"),
        ("models._repository", "update"),
        ("models._repository", "version_by_id"),
    ],
)
def test_a_crash_in_the_middle_leaves_no_half_registered_model(registry, bundle, monkeypatch, part, method):
    target = registry
    for name in part.split("."):
        target = getattr(target, name)
    with monkeypatch.context() as patch:
        patch.setattr(target, method, crash)
        with pytest.raises(CrashError):
            registry.registration.register("default", "prices", bundle, Submission())
    with pytest.raises(NotFoundError):
        registry.models.get("default", "prices")
    version = registry.registration.register("default", "prices", bundle, Submission())
    assert version.number == 1
    for file in version.files:
        assert b"".join(registry.models.file("default", "prices", "1", file.path)[1]) == bundle[file.path].read_bytes()


class NoProcesses:
    """An engine that runs nothing."""

    def list(self, _labels):
        return []


def test_a_deletion_that_was_interrupted_is_finished_at_the_next_start(registry, bundle, monkeypatch, tmp_path):
    registry.registration.register("default", "prices", bundle, Submission())
    assert stored(registry)
    with monkeypatch.context() as patch:
        patch.setattr(registry.objects, "delete", crash)
        with pytest.raises(CrashError):
            registry.models.delete("default", "prices", None)
    assert stored(registry)
    (tmp_path / "registry" / "registrations" / "registration-of-a-killed-process").mkdir()
    registry.registration.remove_leftovers()
    assert not (tmp_path / "registry" / "registrations").exists()
    assert not stored(registry)
    assert registry.bundle_contents.collect_garbage() == 0


def test_content_that_is_deleted_while_it_is_registered_anew_is_stored_again(registry, bundle, monkeypatch):
    registry.registration.register("default", "prices", bundle, Submission())
    store = registry.bundle_contents.store

    def store_then_lose(files):
        described = store(files)
        registry.models.delete("default", "prices", None)
        assert not stored(registry)
        return described

    monkeypatch.setattr(registry.bundle_contents, "store", store_then_lose)
    version = registry.registration.register("default", "copy", bundle, Submission())
    assert len(stored(registry)) == len(version.files)


def test_content_that_the_object_store_lost_is_a_named_defect(registry, bundle, tmp_path):
    version = registry.registration.register("default", "prices", bundle, Submission())
    for key in stored(registry):
        registry.objects.delete(key)
    with pytest.raises(BundleDamagedError):
        registry.models.file("default", "prices", "1", "model.txt")
    with pytest.raises(BundleDamagedError):
        registry.models.download(version.files[0], tmp_path / "x")


def test_a_card_given_beside_the_bundle_changes_the_manifest_and_so_the_version(registry, bundle):
    plain = registry.registration.register("default", "prices", bundle, Submission())
    described = registry.registration.register("default", "prices", bundle, Submission(card={"description": "x"}))
    assert (plain.number, described.number) == (1, 2)
    assert (
        b"".join(registry.models.file("default", "prices", "1", "manifest.json")[1])
        == bundle["manifest.json"].read_bytes()
    )
    for card in ({"metrics": [{"name": "a", "value": float("nan")}]}, {"tags": 3}):
        with pytest.raises(BundleInvalidError):
            registry.registration.register("default", "prices", bundle, Submission(card=card))
