"""Files that are whole or absent, digests, paths that cannot leave their folder, and disks that are full."""

import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from modelyard.errors import InvalidInputError, UnavailableError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class PathEscapesError(InvalidInputError):
    """A relative path that points outside its folder."""

    code = "path_escapes"


class DiskFullError(UnavailableError):
    """There is no space left for what was to be written; nothing of it was kept."""

    code = "disk_full"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"There is no space left on the disk for {what}",
            hint="Make room there and send it again; nothing has to be restarted. `modelyard doctor` shows the disk.",
            retry_after_seconds=None,  # it takes a person
        )


def is_disk_full(error: OSError) -> bool:
    """Whether the disk, or what this user may have of it, is used up."""
    return error.errno in DISK_FULL


def write_atomic(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write so that a reader, or a crash at any moment, sees the old content or the new one, never a part."""
    write_chunks(path, (content,), mode=mode)


def write_chunks(path: Path, chunks: Iterable[bytes], *, mode: int = 0o644) -> None:
    """`write_atomic` for what need not fit into memory."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(folder: Path, relative: str) -> Path:
    """`folder / relative`, resolved.

    Raises:
        PathEscapesError: the result is not inside `folder` (absolute, "..", or through a link).
    """
    root = folder.resolve()
    path = (root / relative).resolve()
    if "\0" in relative or not path.is_relative_to(root):
        raise PathEscapesError(f"'{relative[:200]}' points outside its folder", hint="Use relative paths without '..'.")
    return path
