"""Writes an archive: a snapshot of the database, then what it refers to."""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
from sqlalchemy import Connection

from modelyard.errors import AlreadyExistsError, NotFoundError, UnavailableError
from modelyard.settings import Home
from modelyard.storage.archive import layout, schema
from modelyard.storage.archive.files import settle, state_files
from modelyard.storage.archive.layout import CHUNK_BYTES, ArchiveUnwritableError, Header, TableTotal, Tally, Totals
from modelyard.storage.archive.rows import write_rows
from modelyard.storage.archive.tracking import TrackingTables, write_tracking
from modelyard.storage.objects import ObjectStore

Progress = Callable[[int, int], None]
"""Told of (bytes done, all bytes) now and then."""

_MODE = 0o600  # hashes of tokens, addresses and secrets of alert channels are in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What to write.

    Attributes:
        connection: a consistent view of the database, with nobody who changes the objects meanwhile.
        objects: None: the database alone, as a backup of what a migration changes.
        home: the state directory, some files of which are state too.
        release: that writes.
        now: the time to note.
        tracking: where MLflow's data lie in the database; None: in a file of the state directory, if anywhere.
    """

    connection: Connection
    objects: ObjectStore | None
    home: Home
    release: str
    now: datetime
    tracking: TrackingTables | None = None


def write_archive(path: Path, source: Source, progress: Progress = lambda _done, _all: None) -> Totals:
    """Make the file `path`, whole or not at all, readable by its owner only; what is in it.

    Raises:
        AlreadyExistsError: there is such a file.
        ArchiveUnwritableError: it cannot be made, or the disk is full.
        NotFoundError: the database holds no state.
        StateTooNewError: a newer release has made it.
        ModelyardError: see `TrackingTables.check`.
        UnavailableError: the object store does not answer, or an object is changed meanwhile.
    """
    if path.exists():
        raise AlreadyExistsError(f"There is a file '{path}' already", hint="Give another name, or remove it first.")
    revisions = schema.revisions_of(source.connection)
    if not revisions:
        raise NotFoundError(
            "The database holds no state of a platform", hint="Look at --home and MODELYARD_DATABASE_URL."
        )
    schema.check_known(source.connection, revisions)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                totals = _Writer(archive, source, progress).write(revisions)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ArchiveUnwritableError(
            f"'{path}' cannot be written: {error.strerror or error}",
            hint="Name a file in a folder of yours, on a disk with room for the whole state.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return totals


class _Writer:
    def __init__(self, archive: tarfile.TarFile, source: Source, progress: Progress) -> None:
        self._archive = archive
        self._source = source
        self._progress = progress
        self._done = self._all = 0

    def write(self, revisions: dict[str, str]) -> Totals:
        source = self._source
        header = msgspec.json.encode(
            Header(
                format=layout.FORMAT,
                modelyard=source.release,
                created_at=source.now.isoformat(),
                revisions=revisions,
                has_objects=source.objects is not None,
            )
        )
        self._add_bytes(layout.HEADER, header)
        tables = self._add_tables(revisions)
        files, objects = Tally(), Tally()
        if source.objects is not None:
            with tempfile.TemporaryDirectory() as scratch:
                self._add_files(files, self._files(Path(scratch)), self._size_of_objects())
            for info in source.objects.list():
                content = Stream(source.objects.stream(info.key))
                self._add(objects, layout.OBJECTS, info.key, info.size_bytes, content)
        totals = Totals(
            header_sha256=hashlib.sha256(header).hexdigest(),
            tables=tables,
            files=files.section(),
            objects=objects.section(),
        )
        self._add_bytes(layout.TOTALS, msgspec.json.encode(totals))
        return totals

    def _add_tables(self, revisions: dict[str, str]) -> dict[str, TableTotal]:
        """Each by way of a file beside: a tar wants to know sizes before contents."""
        found = {}
        for branch, table in schema.reflect(self._source.connection, schema.tables_at(revisions)):
            with tempfile.TemporaryFile() as lines:
                found[f"{branch}/{table.name}"] = write_rows(self._source.connection, table, lines)
                member = tarfile.TarInfo(f"{layout.TABLES}{branch}/{table.name}.jsonl")
                member.size = lines.tell()
                lines.seek(0)
                self._add_member(member, lines)
        return found

    def _files(self, scratch: Path) -> dict[str, Path]:
        """By the name that they have in a state directory."""
        source = self._source
        found = {str(path.relative_to(source.home.root)): path for path in state_files(source.home)}
        tracking = source.home.tracking_database.name
        if source.tracking is not None:
            found.pop(tracking, None)  # left from before the database moved
            if write_tracking(source.connection, source.tracking, scratch / tracking):
                found[tracking] = scratch / tracking
        elif tracking in found:
            settle(found[tracking])
        return found

    def _add_files(self, tally: Tally, found: dict[str, Path], more_bytes: int) -> None:
        self._all = sum(path.stat().st_size for path in found.values()) + more_bytes
        for name, path in found.items():
            with path.open("rb") as file:
                self._add(tally, layout.FILES, name, path.stat().st_size, file)

    def _size_of_objects(self) -> int:
        return sum(info.size_bytes for info in self._source.objects.list()) if self._source.objects is not None else 0

    def _add(self, tally: Tally, kind: str, name: str, size_bytes: int, file: "BinaryIO | Stream") -> None:
        digest = hashlib.sha256()

        def note(chunk: bytes) -> None:
            digest.update(chunk)
            self._done += len(chunk)
            self._progress(self._done, self._all)

        member = tarfile.TarInfo(kind + name)
        member.size = size_bytes
        try:
            self._add_member(member, Watched(file, note))
        except OSError as error:  # tarfile's word for a content that is shorter than was said
            raise UnavailableError(
                f"'{name}' was changed while it was read: {error}", hint="Stop whatever writes there and try again."
            ) from error
        tally.add(name, size_bytes, digest.hexdigest())

    def _add_bytes(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._add_member(member, io.BytesIO(content))

    def _add_member(self, member: tarfile.TarInfo, file: "BinaryIO | Watched") -> None:
        member.mtime = int(self._source.now.timestamp())
        self._archive.addfile(member, file)
        cast("Any", self._archive).members.clear()  # else it would keep them all in memory


class Stream:
    """Chunks of bytes as something to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int = CHUNK_BYTES, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        parts, wanted = [], size
        while wanted > 0:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    break
            part, self._rest = self._rest[:wanted], self._rest[wanted:]
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)


class Watched:
    """Something to read from, with somebody who sees what was read."""

    def __init__(self, file: "BinaryIO | Stream", note: Callable[[bytes], None]) -> None:
        self._file = file
        self._note = note

    def read(self, size: int = CHUNK_BYTES, /) -> bytes:
        """See `file`."""
        chunk = self._file.read(size)
        self._note(chunk)
        return chunk
