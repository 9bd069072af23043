"""The files of versions in the object store, by the digest of their content."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from modelyard.control.models.errors import BundleDamagedError
from modelyard.control.models.repository import ModelRepository
from modelyard.kit.files import sha256_file
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore, content_key
from modelyard.types.models import BundleFile


class BundleContents:
    """Stores and reads files of bundles. Equal files are stored once, whichever versions have them."""

    def __init__(self, database: Database, repository: ModelRepository, objects: ObjectStore) -> None:
        self._database = database
        self._repository = repository
        self._objects = objects

    def store(self, files: Mapping[str, Path]) -> tuple[BundleFile, ...]:
        """Store every file (path -> content). Idempotent, and invisible until a version names the files."""
        described = tuple(
            BundleFile(path=path, digest=sha256_file(files[path]), size_bytes=files[path].stat().st_size)
            for path in sorted(files)
        )
        self.ensure(described, files)
        return described

    def ensure(self, described: tuple[BundleFile, ...], files: Mapping[str, Path]) -> None:
        """Store those of the files that are not there.

        Called again inside the transaction that registers them: `collect_garbage`, which runs under the same lock, may
        have removed a file that another version, just deleted, had in common with this one.
        """
        for file in described:
            if not self._objects.exists(_key(file.digest)):
                self._objects.put_file(_key(file.digest), files[file.path])

    def stream(self, file: BundleFile) -> Iterator[bytes]:
        """The content of a file in chunks.

        Raises:
            BundleDamagedError: the object store has lost it.
        """
        try:
            return self._objects.stream(_key(file.digest))
        except ObjectNotFoundError as error:
            raise _lost(file) from error

    def download(self, file: BundleFile, target: Path) -> None:
        """Write a file to `target`, which appears whole or not at all.

        Raises:
            BundleDamagedError: the object store has lost it.
        """
        try:
            self._objects.download(_key(file.digest), target)
        except ObjectNotFoundError as error:
            raise _lost(file) from error

    def collect_garbage(self) -> int:
        """Remove what deleted versions left and no other version has; how many files that were.

        Call at the start and after deletions: whatever a crash interrupts, the next call finishes.
        """
        removed = 0
        with self._database.read() as connection:
            digests = self._repository.garbage(connection)
        for digest in digests:
            with self._database.transaction() as connection:
                self._repository.lock(connection)
                if not self._repository.is_content_used(connection, digest):
                    self._objects.delete(_key(digest))
                    removed += 1
                self._repository.forget_garbage(connection, digest)
        return removed


def _key(digest: str) -> str:
    return f"models/{content_key(digest)}"


def _lost(file: BundleFile) -> BundleDamagedError:
    return BundleDamagedError(
        f"the content of '{file.path}' ({file.digest[:12]}) is not in the object store",
        hint="Restore the object store from a backup, or register the model again.",
    )
