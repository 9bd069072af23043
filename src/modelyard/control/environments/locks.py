"""Locks of environments in the object store, by their digest: what requirements were resolved to, for good."""

import hashlib

from modelyard.storage.objects import ObjectStore


class Locks:
    """Keeps and gives them. Safe from any thread."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def keep(self, lock: str) -> str:
        """Keep a lock; its digest."""
        content = lock.encode()
        digest = hashlib.sha256(content).hexdigest()
        if not self._objects.exists(_key(digest)):
            self._objects.put_stream(_key(digest), iter((content,)))
        return digest

    def read(self, digest: str) -> str:
        """The lock of this digest.

        Raises:
            ObjectNotFoundError: it was never kept, or the store has lost it.
        """
        return self._objects.read(_key(digest)).decode()


def _key(digest: str) -> str:
    return f"locks/{digest}.txt"
