"""Zip files from strangers: opened only when their directory is harmless, read only as far as it promises."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelyard.data.errors import ArchiveUnsafeError, DatasetInvalidError, DatasetTooLargeError

_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """What an archive may hold.

    Attributes:
        entries: number of files.
        directory_bytes: size of the zip's own directory, which is read at once.
        total_bytes: sum of the unpacked sizes.
        ratio: unpacked to packed, looked at only above `ratio_free_bytes`: a few sorted labels pack 1000 to 1 and harm
            nobody.
        ratio_free_bytes: see `ratio`.
    """

    entries: int = 200_000
    directory_bytes: int = 64 << 20
    total_bytes: int = 64 << 30
    ratio: int = 100
    ratio_free_bytes: int = 256 << 20


class _BoundedFile(io.FileIO):
    """Refuses one huge read: `zipfile` reads a zip's whole directory at once, however large the file says it is."""

    limit_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `limit_bytes` at once."""
        if size is not None and size > self.limit_bytes:
            raise DatasetTooLargeError(
                f"the zip's directory is {size:,} bytes, over the limit of {self.limit_bytes:,}",
                hint="Split the data into several datasets.",
            )
        return super().read(size) or b""


@contextmanager
def open_archive(path: Path, limits: ArchiveLimits | None = None) -> Iterator[zipfile.ZipFile]:
    """The zip at `path`, its directory checked. Damage found later, while reading an entry, is reported too.

    Raises:
        DatasetInvalidError: not a zip, damaged, or encrypted.
        ArchiveUnsafeError: a path leaves the archive's folder, a link, a name twice, or a zip bomb.
        DatasetTooLargeError: more entries or bytes than the limits.
    """
    limits = limits or ArchiveLimits()
    with _damage_reported(path), _BoundedFile(path) as file:
        file.limit_bytes = limits.directory_bytes
        with zipfile.ZipFile(file) as archive:
            _check(archive, limits)
            yield archive


def file_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The archive's files in order of name, without what macOS and Windows leave behind."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_leftover(entry.filename)]
    return sorted(entries, key=lambda entry: entry.filename)


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        struct.error,
        NotImplementedError,
        OverflowError,
        UnicodeError,
        ValueError,
    ) as error:
        raise DatasetInvalidError(
            f"the zip archive is damaged: {error}", hint="Make the archive again and upload it anew."
        ) from error
    except OSError as error:
        # A file object positioned before byte 0 by a false directory answers EINVAL; other errors are the disk's.
        if path.is_file() and error.errno in (None, 22):
            raise DatasetInvalidError("the zip archive is damaged", hint="Make the archive again.") from error
        raise


def _check(archive: zipfile.ZipFile, limits: ArchiveLimits) -> None:
    entries = archive.infolist()
    if len(entries) > limits.entries:
        raise DatasetTooLargeError(
            f"the archive has {len(entries):,} entries, over the limit of {limits.entries:,}",
            hint="Split the data into several datasets, or store images as npz.",
        )
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise ArchiveUnsafeError("the archive holds the same name twice", hint="Make the archive again.")
    for entry in entries:
        _check_entry(entry)
    total = sum(entry.file_size for entry in entries)
    packed = max(1, sum(entry.compress_size for entry in entries))
    if total > limits.total_bytes:
        raise DatasetTooLargeError(
            f"the archive unpacks to {total:,} bytes, over the limit of {limits.total_bytes:,}",
            hint="Split the data into several datasets.",
        )
    if total > limits.ratio_free_bytes and total > packed * limits.ratio:
        raise ArchiveUnsafeError(
            f"the archive unpacks to {total // packed} times its size ({total:,} bytes), as zip bombs do",
            hint=f"Store the files with less compression; up to {limits.ratio} times is accepted.",
        )


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in entry.orig_filename or ":" in name[:2]:
        raise ArchiveUnsafeError(
            f"the archive's entry '{name[:200]}' points outside its folder", hint="Use relative paths without '..'."
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveUnsafeError(
            f"the archive's entry '{name[:200]}' is a link or a device", hint="Store the files themselves (zip -r)."
        )
    if entry.flag_bits & _ENCRYPTED:
        raise DatasetInvalidError(f"the archive's entry '{name[:200]}' is encrypted", hint="Zip without a password.")
    if entry.compress_type not in _READABLE:
        raise DatasetInvalidError(
            f"the archive's entry '{name[:200]}' uses a compression that is not supported", hint="Use 'deflate'."
        )


def _is_leftover(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1] in ("Thumbs.db", "desktop.ini")
