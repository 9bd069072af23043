"""Snapshots of code: zip files in the object store, by project and by the digest of their content."""

import hashlib
import re
import tempfile
from pathlib import Path

from modelyard.control.jobs.scripts.errors import SnapshotInvalidError, SnapshotNotFoundError
from modelyard.data.errors import DatasetInvalidError, DatasetTooLargeError
from modelyard.data.readers.archives import ArchiveLimits, file_entries, open_archive
from modelyard.kit.files import inside
from modelyard.storage.objects import ObjectStore
from modelyard.types.scripting.recipes import Snapshot

_LIMITS = ArchiveLimits(entries=5_000, directory_bytes=4 << 20, total_bytes=256 << 20)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "`modelyard run` and `client.jobs.run` pack a folder as it has to be. Data belongs into datasets."


class Snapshots:
    """Keeps and unpacks snapshots. Safe from any thread; equal content is stored once in a project."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def add(self, project: str, content: bytes) -> Snapshot:
        """Keep a zip file.

        Raises:
            SnapshotInvalidError: it is none, or one that would leave its folder or unpack to far more than it is.
        """
        with tempfile.TemporaryDirectory(prefix="snapshot-") as scratch:
            path = Path(scratch) / "snapshot.zip"
            path.write_bytes(content)
            files = unpacked(path, Path(scratch) / "code")
        digest = hashlib.sha256(content).hexdigest()
        key = _key(project, digest)
        if not self._objects.exists(key):
            self._objects.put_stream(key, iter((content,)))
        return Snapshot(digest=digest, size_bytes=len(content), files=files)

    def unpack(self, project: str, digest: str, folder: Path) -> tuple[str, ...]:
        """Write the files of a snapshot into `folder`; their names.

        Raises:
            SnapshotNotFoundError: the project has none of this digest.
        """
        with tempfile.TemporaryDirectory(prefix="snapshot-") as scratch:
            path = Path(scratch) / "snapshot.zip"
            if not _DIGEST.fullmatch(digest) or not self._objects.exists(_key(project, digest)):
                raise SnapshotNotFoundError(
                    f"Project '{project}' has no snapshot '{digest[:64]}'",
                    hint=f"POST the zip file to .../projects/{project}/snapshots first.",
                    field="code",
                )
            self._objects.download(_key(project, digest), path)
            return unpacked(path, folder)

    def files(self, project: str, digest: str) -> tuple[str, ...]:
        """Names of the files of a snapshot.

        Raises:
            SnapshotNotFoundError: the project has none of this digest.
        """
        with tempfile.TemporaryDirectory(prefix="snapshot-") as scratch:
            return self.unpack(project, digest, Path(scratch))


def unpacked(archive: Path, folder: Path) -> tuple[str, ...]:
    """Names of the files of a zip file, once they are in `folder`.

    Raises:
        SnapshotInvalidError: it is no zip file, or one that would leave its folder or unpack to far more than it is.
    """
    try:
        with open_archive(archive, _LIMITS) as opened:
            entries = file_entries(opened)
            for entry in entries:
                path = inside(folder, entry.filename)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(opened.read(entry))
    except (DatasetInvalidError, DatasetTooLargeError, FileExistsError, IsADirectoryError) as error:
        raise SnapshotInvalidError(f"The snapshot cannot be taken: {error}", hint=_HINT) from error
    if not entries:
        raise SnapshotInvalidError("The snapshot holds no file", hint=_HINT)
    return tuple(entry.filename for entry in entries)


def _key(project: str, digest: str) -> str:
    return f"snapshots/{project}/{digest}.zip"
