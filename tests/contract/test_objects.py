"""The promises of ObjectStore, over files, memory and a real S3 server."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.control.buckets.keys import NamedParts
from modelyard.errors import InvalidInputError, TooLargeError, UnavailableError
from modelyard.kit.files import DiskFullError
from modelyard.storage.objects import ObjectKeyInvalidError, ObjectNotFoundError, ObjectStore, content_key, open_objects


@pytest.fixture(params=["file", "memory", "s3", "named"])
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    if request.param == "s3":
        for name, value in request.getfixturevalue("s3_server").items():
            monkeypatch.setenv(name, value)
        store = open_objects(f"s3://test/{tmp_path.name}/deep")
    elif request.param == "named":
        store = NamedParts(open_objects("memory://"))
    else:
        store = open_objects({"file": (tmp_path / "a b" / "objects").as_uri(), "memory": "memory://"}[request.param])
    yield store
    for info in list(store.list()):
        store.delete(info.key)


def test_what_is_put_comes_back(objects: ObjectStore, tmp_path: Path):
    (tmp_path / "source").write_bytes(b"hello world")
    objects.put_file("folder/a", tmp_path / "source")
    objects.put_stream("folder/b c", iter([b"one", b"", b"two"]))
    objects.put_stream("empty", iter([]))
    assert objects.read("folder/a") == b"hello world"
    assert objects.read("folder/b c") == b"onetwo"
    assert objects.read("empty") == b""
    assert objects.info("folder/a").size_bytes == 11
    objects.download("folder/a", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"hello world"
    assert sorted((info.key, info.size_bytes) for info in objects.list("folder")) == [
        ("folder/a", 11),
        ("folder/b c", 6),
    ]
    assert {info.key for info in objects.list()} == {"folder/a", "folder/b c", "empty"}


def test_a_full_disk_is_told_and_leaves_the_object_as_it_was(tmp_path: Path):
    store = open_objects(tmp_path.as_uri())
    store.put_stream("a", iter([b"before"]))

    def chunks() -> Iterator[bytes]:
        yield b"after"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFullError, match="the object 'a'"):
        store.put_stream("a", chunks())
    assert store.read("a") == b"before"


def test_ranges_are_half_open_and_end_with_the_object(objects: ObjectStore):
    objects.put_stream("a", iter([b"0123456789"]))
    assert b"".join(objects.stream("a")) == b"0123456789"
    assert b"".join(objects.stream("a", 3, 5)) == b"34"
    assert b"".join(objects.stream("a", 8, 100)) == b"89"
    assert b"".join(objects.stream("a", 5, 5)) == b""
    assert b"".join(objects.stream("a", 20)) == b""


def test_large_streams_are_stored_in_parts(objects: ObjectStore, tmp_path: Path):
    block = os.urandom(1 << 20)
    objects.put_stream("large", (block for _ in range(23)))
    digest = hashlib.sha256()
    for chunk in objects.stream("large"):
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(block * 23).digest()
    assert objects.info("large").size_bytes == 23 << 20


def test_putting_again_replaces_and_deleting_again_does_nothing(objects: ObjectStore):
    objects.put_stream("a", iter([b"old"]))
    objects.put_stream("a", iter([b"new"]))
    assert objects.read("a") == b"new"
    objects.delete("a")
    objects.delete("a")
    assert not objects.exists("a")


def test_a_stream_that_fails_stores_nothing_and_its_error_comes_through(objects: ObjectStore):
    def fails() -> Iterator[bytes]:
        yield b"x" * (6 << 20)
        raise TooLargeError("over the limit")

    objects.put_stream("a", iter([b"old"]))
    with pytest.raises(TooLargeError, match="over the limit"):
        objects.put_stream("a", fails())
    assert objects.read("a") == b"old"
    assert [info.key for info in objects.list()] == ["a"]


def test_missing_objects_are_named(objects: ObjectStore, tmp_path: Path):
    for call in (objects.read, objects.stream, objects.info, lambda key: objects.download(key, tmp_path / "t")):
        with pytest.raises(ObjectNotFoundError, match="no object 'nothing/here'"):
            call("nothing/here")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


@pytest.mark.parametrize("key", ["/etc/passwd", "a//b"])
def test_empty_parts_of_keys_are_refused_unless_they_have_names(objects: ObjectStore, key: str):
    if not isinstance(objects, NamedParts):
        with pytest.raises(ObjectKeyInvalidError):
            objects.put_stream(key, iter([b"x"]))
        return
    objects.put_stream(key, iter([b"x"]))
    assert objects.read(key) == b"x"
    assert [info.key for info in objects.list()] == [key]


@pytest.mark.parametrize("key", ["", "../x", "a/../../x", "a/", "./a", "a\0b", "a\\b"])
def test_keys_cannot_leave_the_store(objects: ObjectStore, key: str):
    with pytest.raises(ObjectKeyInvalidError):
        objects.put_stream(key, iter([b"x"]))
    with pytest.raises(ObjectKeyInvalidError):
        objects.read(key)


def test_content_is_stored_once_under_its_digest(objects: ObjectStore, tmp_path: Path):
    (tmp_path / "source").write_bytes(b"hello")
    digest = hashlib.sha256(b"hello").hexdigest()
    assert objects.put_content(tmp_path / "source", digest) == content_key(digest)
    (tmp_path / "source").unlink()
    assert objects.put_content(tmp_path / "source", digest) == f"sha256/2c/{digest}"
    assert objects.read(content_key(digest)) == b"hello"


def test_other_urls_are_refused():
    for url in ("ftp://host/x", "objects", ""):
        with pytest.raises(InvalidInputError):
            open_objects(url)


def test_a_wrong_secret_is_said_to_be_the_stores_fault(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    for name, value in (s3_server | {"AWS_SECRET_ACCESS_KEY": "wrong"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError, match="object store failed at 'a'") as caught:
        open_objects("s3://test/x").read("a")
    assert "Debug" not in caught.value.message, "the library's own structure is of no use to anybody"
