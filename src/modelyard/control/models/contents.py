"""The files of versions in the object store, by the digest of their content."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from modelyard.control.models.errors import BundleDamagedError
from modelyard.kit.files import sha256_file
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore, content_key
from modelyard.types.models import BundleFile


class BundleContents:
    """Stores and reads files of bundles. Equal files are stored once, whichever versions have them."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def store(self, files: Mapping[str, Path]) -> tuple[BundleFile, ...]:
        """Store every file; path -> content. Idempotent, and invisible until a version names the files."""
        stored = []
        for path in sorted(files):
            digest = sha256_file(files[path])
            self._objects.put_content(files[path], digest)
            stored.append(BundleFile(path=path, digest=digest, size_bytes=files[path].stat().st_size))
        return tuple(stored)

    def stream(self, file: BundleFile) -> Iterator[bytes]:
        """The content of a file in chunks.

        Raises:
            BundleDamagedError: the object store has lost it.
        """
        try:
            return self._objects.stream(content_key(file.digest))
        except ObjectNotFoundError as error:
            raise _lost(file) from error

    def download(self, file: BundleFile, target: Path) -> None:
        """Write a file to `target`, which appears whole or not at all.

        Raises:
            BundleDamagedError: the object store has lost it.
        """
        try:
            self._objects.download(content_key(file.digest), target)
        except ObjectNotFoundError as error:
            raise _lost(file) from error


def _lost(file: BundleFile) -> BundleDamagedError:
    return BundleDamagedError(
        f"the content of '{file.path}' ({file.digest[:12]}) is not in the object store",
        hint="Restore the object store from a backup, or register the model again.",
    )
