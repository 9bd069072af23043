"""Uploads and datasets on SQLite with files, and on PostgreSQL with S3: the same answers, also under contention."""

import hashlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelyard.control.datasets.contents import DatasetContents
from modelyard.control.datasets.repository import DatasetRepository
from modelyard.control.datasets.service import DatasetService
from modelyard.control.datasets.versions import DatasetVersionService, VersionRequest
from modelyard.control.rest.pages import PageQuery
from modelyard.control.tables import load_tables
from modelyard.control.uploads.errors import UploadOffsetMismatchError
from modelyard.control.uploads.repository import UploadRepository
from modelyard.control.uploads.service import UploadService
from modelyard.errors import NotFoundError
from modelyard.kit.clock import FakeClock
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.storage.objects import ObjectStore, open_objects


@dataclass(frozen=True)
class Registry:
    uploads: UploadService
    datasets: DatasetService
    versions: DatasetVersionService
    objects: ObjectStore
    folder: Path

    def file(self, content: bytes) -> Path:
        path = self.folder / hashlib.sha256(content).hexdigest()
        path.write_bytes(content)
        return path


@pytest.fixture(params=["sqlite and files", "postgresql and s3"])
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    if request.param == "postgresql and s3":
        for name, value in request.getfixturevalue("s3_server").items():
            monkeypatch.setenv(name, value)
        database = Database(request.getfixturevalue("postgres_url")())
        objects = open_objects(f"s3://test/{tmp_path.name}")
    else:
        database, objects = Database(f"sqlite:///{tmp_path}/r.db"), open_objects((tmp_path / "objects").as_uri())
    load_tables()
    for metadata in BRANCHES.values():
        metadata.create_all(database.engine)
    creations, clock, repository = Creations(), FakeClock(), DatasetRepository()
    uploads = UploadService(database, UploadRepository(), creations, objects, clock, 1 << 30)
    contents = DatasetContents(database, repository, objects)
    datasets = DatasetService(database, repository, creations, contents, clock)
    versions = DatasetVersionService(database, repository, creations, contents, uploads, clock, tmp_path / "scratch")
    yield Registry(uploads, datasets, versions, objects, tmp_path)
    database.close()


def table(value: int) -> bytes:
    return f"a,b\n{value},x\n".encode()


def test_an_upload_becomes_a_version_and_comes_back(registry: Registry, tmp_path: Path):
    content = b"a,b\n" + b"1,x\n" * 300_000
    upload = registry.uploads.create("default", "t.csv", len(content), "me", None)
    for offset in range(0, len(content), 500_000):
        upload = registry.uploads.append("default", upload.id, offset, content[offset : offset + 500_000])
    version = registry.versions.create_from_upload(VersionRequest(project="default", dataset="t"), upload.id, None)
    assert (version.digest, version.schema.rows) == (hashlib.sha256(content).hexdigest(), 300_000)
    assert b"".join(registry.versions.stream(version)) == content
    registry.versions.download(version, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    registry.datasets.delete("default", "t", None)
    registry.uploads.delete("default", upload.id)
    assert list(registry.objects.list()) == []


def test_of_two_equal_pieces_at_once_one_counts(registry: Registry, tmp_path: Path):
    upload = registry.uploads.create("default", "t", None, "me", None)

    def append(_: int) -> bool:
        try:
            registry.uploads.append("default", upload.id, 0, b"abc")
        except UploadOffsetMismatchError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(append, range(16))) == 1
    assert registry.uploads.fetch("default", upload.id, tmp_path / "f").size_bytes == 3
    assert len(list(registry.objects.list("uploads"))) == 1


def test_numbers_are_given_once_and_equal_content_has_one_version(registry: Registry):
    files = [registry.file(table(value)) for value in range(6)]

    def create(path: Path) -> tuple[str, int]:
        request = VersionRequest(project="default", dataset="t")
        version = registry.versions.create_from_file(request, path, None)
        return version.digest, version.number

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(create, files * 4))
    assert {number for _, number in made} == {1, 2, 3, 4, 5, 6}
    assert len(made) == 6
    assert registry.datasets.get("default", "t").latest == 6


def test_the_same_key_at_once_makes_one_version(registry: Registry):
    path, creation = registry.file(table(1)), Creation("k" * 64, "d" * 64)

    def create(index: int) -> tuple[str, int]:
        request = VersionRequest(project="default", dataset="t", description=str(index))
        version = registry.versions.create_from_file(request, path, creation)
        return version.description, version.number

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(create, range(8)))) == 1


def test_versions_keep_their_content_whatever_is_deleted_meanwhile(registry: Registry):
    """Datasets that share contents are made and deleted at once; whatever version is there can be read."""
    files = [registry.file(table(value)) for value in range(2)]
    names = ["a", "b", "c"]

    def act(seed: int) -> None:
        choose = random.Random(seed)
        name, path = choose.choice(names), choose.choice(files)
        if choose.random() < 0.5:
            registry.versions.create_from_file(VersionRequest(project="default", dataset=name), path, None)
        else:
            try:
                registry.datasets.delete("default", name, None)
            except NotFoundError:
                return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(2500)))
    kept = {
        version.digest: b"".join(registry.versions.stream(version))
        for name in {item.name for item in registry.datasets.list("default", (), "", PageQuery()).items}
        for version in registry.versions.list("default", name, PageQuery()).items
    }
    assert all(hashlib.sha256(content).hexdigest() == digest for digest, content in kept.items())
    assert len(list(registry.objects.list("datasets"))) == len(kept)
