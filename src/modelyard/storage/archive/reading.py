"""Reads archives, from the beginning to the end, and finds out whether they are whole."""

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar, cast

import msgspec

from modelyard.errors import NotFoundError
from modelyard.storage.archive import layout
from modelyard.storage.archive.layout import ArchiveDamagedError, Header, StateTooNewError, TableTotal, Tally, Totals

T = TypeVar("T")
_SMALL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A member and its content, which can be read until the next member is asked for."""

    name: str
    size_bytes: int
    content: IO[bytes]


@contextmanager
def members(path: Path) -> Iterator[Iterator[Member]]:
    """All members in order.

    Raises:
        NotFoundError: there is no such file.
        ArchiveDamagedError: it is no tar, or it ends in the middle.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            yield _members(archive)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file '{path}'", hint="Look at the name.") from error
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveDamagedError(f"'{path}' is not a whole archive: {error}") from error


def _members(archive: tarfile.TarFile) -> Iterator[Member]:
    while (found := archive.next()) is not None:
        cast("Any", archive).members.clear()  # else it would keep them all in memory
        content = archive.extractfile(found) if found.isreg() else None
        if content is None:
            raise ArchiveDamagedError(f"'{found.name}' is not a plain file")
        yield Member(found.name, found.size, content)


def read_header(path: Path) -> Header:
    """The first member.

    Raises:
        ArchiveDamagedError: the file is no archive.
        StateTooNewError: it is of a format that this release does not know.
    """
    with members(path) as found:
        first = next(found, None)
        if first is None or first.name != layout.HEADER:
            raise ArchiveDamagedError(f"'{path}' is not an archive of a platform")
        return _header(first.content.read(_SMALL_BYTES))


@dataclass(slots=True)
class _Found:
    header_sha256: str = ""
    tables: dict[str, TableTotal] = field(default_factory=dict)
    files: Tally = field(default_factory=Tally)
    objects: Tally = field(default_factory=Tally)
    totals: Totals | None = None

    def summary(self) -> Totals:
        return Totals(
            header_sha256=self.header_sha256,
            tables=self.tables,
            files=self.files.section(),
            objects=self.objects.section(),
        )


def check_archive(
    path: Path,
    *,
    saw: Callable[[str], None] = lambda _name: None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Totals:
    """Read all of it and compare it with its totals, which are returned; `saw` is told the name of every member.

    Raises:
        ArchiveDamagedError: something is missing, added or changed.
        StateTooNewError: see `read_header`.
    """
    found, done, size = _Found(), 0, path.stat().st_size if path.exists() else 0
    with members(path) as every:
        for member in every:
            if found.totals is not None:
                raise ArchiveDamagedError(f"'{member.name}' comes after the totals")
            saw(member.name)
            _take(found, member)
            done += member.size_bytes
            progress(done, size)
    if found.totals != found.summary():
        raise ArchiveDamagedError(
            f"'{path}' has no totals: it was cut off"
            if found.totals is None
            else f"'{path}' is not what its totals say"
        )
    return found.totals


def _take(found: _Found, member: Member) -> None:
    kind, _, name = member.name.partition("/")
    kind += "/"
    if member.name in (layout.HEADER, layout.TOTALS):
        content = member.content.read(_SMALL_BYTES)
        if member.name == layout.TOTALS:
            found.totals = _decoded(content, Totals)
        else:
            _header(content)
            found.header_sha256 = hashlib.sha256(content).hexdigest()
        return
    digest, lines = _digest(member.content)
    if kind == layout.TABLES:
        table = str(PurePosixPath(name).with_suffix(""))
        if table in found.tables:
            raise ArchiveDamagedError(f"The archive has '{member.name}' twice")
        found.tables[table] = TableTotal(rows=lines - 1, sha256=digest)
    elif kind == layout.FILES:
        found.files.add(name, member.size_bytes, digest)
    elif kind == layout.OBJECTS:
        found.objects.add(name, member.size_bytes, digest)
    else:
        raise ArchiveDamagedError(f"No archive has a '{member.name}'")


def _digest(content: IO[bytes]) -> tuple[str, int]:
    """SHA-256, and how many lines."""
    digest, lines = hashlib.sha256(), 0
    while chunk := content.read(layout.CHUNK_BYTES):
        digest.update(chunk)
        lines += chunk.count(b"\n")
    return digest.hexdigest(), lines


def _header(content: bytes) -> Header:
    header = _decoded(content, Header)
    if header.format > layout.FORMAT:
        raise StateTooNewError(
            f"The archive is of format {header.format}, made by Modelyard {header.modelyard}",
            hint="Import it with that release or a newer one. Nothing was imported.",
        )
    return header


def _decoded(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise ArchiveDamagedError(f"The archive's {kind.__name__.lower()} cannot be read: {error}") from error
