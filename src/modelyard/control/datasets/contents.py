"""Contents of dataset versions in the object store: each kept once, gone with the last version that has it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from modelyard.control.datasets.repository import DatasetRepository
from modelyard.errors import InternalError
from modelyard.kit.files import sha256_file
from modelyard.storage.database import Connection, Database
from modelyard.storage.objects import ObjectStore, content_key
from modelyard.types.datasets import DatasetVersion


class DatasetContents:
    """Stores by SHA-256, under a prefix of its own: what else lives in the store never counts on these objects.

    A crash may leave an object without a version (the next upload of the same content uses it), never a version
    without its object.
    """

    def __init__(self, database: Database, repository: DatasetRepository, objects: ObjectStore) -> None:
        self._database = database
        self._repository = repository
        self._objects = objects

    def put(self, path: Path, digest: str) -> None:
        """Store a file's content unless it is there."""
        if not self._objects.exists(_key(digest)):
            self._objects.put_file(_key(digest), path)

    def hold(self, connection: Connection, digest: str, size_bytes: int) -> bool:
        """Keep a content for the version that this transaction inserts; false if it was deleted: put it again."""
        self._repository.hold_content(connection, digest, size_bytes)
        return self._objects.exists(_key(digest))

    def release(self, digests: Sequence[str]) -> None:
        """Delete the contents among these that no version has any more."""
        for digest in digests:
            with self._database.transaction() as connection:
                if self._repository.forget_content(connection, digest):
                    self._objects.delete(_key(digest))  # before the commit: until then nobody else can hold it

    def stream(self, version: DatasetVersion) -> Iterator[bytes]:
        """The content in chunks."""
        return self._objects.stream(_key(version.digest))

    def download(self, version: DatasetVersion, target: Path) -> None:
        """Write the content to a local file, whole or not at all.

        Raises:
            InternalError: the stored content is damaged.
        """
        partial = target.with_name(f"{target.name}.partial")
        try:
            self._objects.download(_key(version.digest), partial)
            if sha256_file(partial) != version.digest:
                raise InternalError(
                    f"The content of {version.dataset}:{version.number} is damaged in the object store",
                    hint="Restore it from a backup, or upload it again as a new dataset.",
                )
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _key(digest: str) -> str:
    return f"datasets/{content_key(digest)}"
