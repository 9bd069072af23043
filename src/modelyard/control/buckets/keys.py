"""Keys with empty parts (`a//b`) in a store that keeps paths: SeaweedFS would make `a/b` of it, which is another key.

There each empty part has a name. Nobody sees it who comes through the platform.
"""

from collections.abc import Iterator
from pathlib import Path

from modelyard.control.buckets.errors import KeyReservedError
from modelyard.storage.objects import ObjectInfo, ObjectStore

EMPTY = ".~empty~"
"""It begins with the character before "/", so that keys stand in a listing where they belong; no URL encodes it."""


def named(key: str) -> str:
    """A key, or the beginning of keys, as the store has it. The last part may be the beginning of any, and stays.

    Raises:
        KeyReservedError: a part of it is what stands for an empty one.
    """
    *parts, last = key.split("/")
    if EMPTY in (*parts, last):
        raise KeyReservedError(f"no part of a key may be '{EMPTY}'", hint="Give the object another key.")
    return "/".join([*(part or EMPTY for part in parts), last])


def plain(key: str) -> str:
    """The key that the store has as this."""
    return "/".join("" if part == EMPTY else part for part in key.split("/"))


class NamedParts(ObjectStore):
    """The objects of a store under their keys as they are. Safe from any thread if the store is.

    Args:
        store: has names in place of empty parts.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put_file(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        self._store.put_file(named(key), path)

    def put_stream(self, key: str, chunks: Iterator[bytes]) -> None:
        """See ObjectStore."""
        self._store.put_stream(named(key), chunks)

    def read(self, key: str) -> bytes:
        """See ObjectStore."""
        return self._store.read(named(key))

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See ObjectStore."""
        return self._store.stream(named(key), start, end)

    def download(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        self._store.download(named(key), path)

    def info(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        return ObjectInfo(key, self._store.info(named(key)).size_bytes)

    def media_type(self, key: str) -> str:
        """See ObjectStore."""
        return self._store.media_type(named(key))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore."""
        for each in self._store.list(named(prefix)):
            yield ObjectInfo(plain(each.key), each.size_bytes)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self._store.delete(named(key))
