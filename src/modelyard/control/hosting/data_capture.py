"""Data capture: what endpoints answered, as files of JSON Lines in the caller's own bucket.

Lines wait in a local folder until they are stored: a store that does not answer for a while delays nothing else.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

import msgspec
import structlog

from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.captured_lines import line_of
from modelyard.control.hosting.records import ENDPOINT, HostedEndpoint, of_content
from modelyard.control.hosting.sources import Objects
from modelyard.errors import ModelyardError, TemporaryError
from modelyard.kit.clock import Clock
from modelyard.kit.files import write_atomic
from modelyard.kit.foreign_names import own_name
from modelyard.types.serving.hosting import DataCapture
from modelyard.types.tensors import CaptureRecord

_Captured = dict[str, tuple[str, HostedEndpoint]]
_KNOWN_SECONDS = 1.0
_SUFFIX = ".lines"
_FILE_BYTES = 4 << 20
_NEW = ".new"  # what a variant's name ends with while it takes over
_log = structlog.get_logger(__name__)


class WaitingLines(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one variant and hour. `place`: s3:// address of the hour's folder."""

    project: str
    place: str
    at_ns: int
    lines: bytes


class _Waiting(NamedTuple):
    path: Path
    content: WaitingLines


class DataCaptures:
    """Takes captures in, and stores them. Safe from any thread.

    Args:
        documents: of hosted endpoints.
        objects: gets the files.
        folder: of lines that wait; made when there are any.
        clock: says when to look at the documents anew.
    """

    def __init__(self, documents: DocumentService, objects: Objects, folder: Path, clock: Clock) -> None:
        self._documents = documents
        self._objects = objects
        self._folder = folder
        self._clock = clock
        self._known: dict[str, tuple[float, _Captured]] = {}

    def take(self, records: Sequence[CaptureRecord]) -> None:
        """Write down what belongs to endpoints with data capture. The same records again change nothing."""
        wanted = {project: self._captured(project) for project in {record.project for record in records}}
        chosen = [record for record in records if record.endpoint in wanted[record.project]]
        for (project, endpoint, variant, _), group in groupby(sorted(chosen, key=_place_of), _place_of):
            name, hosted = wanted[project][endpoint]
            if hosted.capture is not None:
                self._write(f"{name}/{_title(hosted, variant)}", hosted.capture, [*group])

    def run_once(self) -> None:
        """Store what waits; neighbours of one place become one file.

        A file has the name of the first lines in it, and these are deleted last: killed at any line it writes the same
        file again, perhaps with more in it.
        """
        for group in _groups(self._waiting()):
            first = group[0]
            project, place = first.content.project, first.content.place
            uri = f"{place}/{_file_name(first)}"
            try:
                self._objects.write(project, uri, b"".join(each.content.lines for each in group))
            except TemporaryError as error:
                _log.warning("data_capture_waits", uri=uri, reason=error.message)
                return
            except ModelyardError as error:
                _log.warning("data_capture_not_stored", uri=uri, reason=error.message)
            for each in reversed(group):
                each.path.unlink(missing_ok=True)

    def _captured(self, project: str) -> _Captured:
        """Hosted endpoints with data capture, by our names; looked up now and then, for records come in small packs."""
        now = self._clock.monotonic()
        looked_at, found = self._known.get(project, (-_KNOWN_SECONDS, {}))
        if now - looked_at < _KNOWN_SECONDS:
            return found
        found = {}
        for document in self._documents.every(ENDPOINT, project):
            hosted = of_content(document.content, HostedEndpoint)
            if hosted.capture is not None:
                found[own_name(document.name)] = document.name, hosted
        self._known[project] = now, found
        return found

    def _write(self, name: str, capture: DataCapture, records: list[CaptureRecord]) -> None:
        first = min(records, key=attrgetter("at_ns"))
        hour = datetime.fromtimestamp(_hour_of(first) * 3600, UTC)
        content = WaitingLines(
            project=first.project,
            place=f"{capture.destination.rstrip('/')}/{name}/{hour:%Y/%m/%d/%H}",
            at_ns=first.at_ns,
            lines=b"".join(line_of(record, capture) for record in records),
        )
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self._folder / f"{first.id}{_SUFFIX}", msgspec.msgpack.encode(content))
        except OSError as error:  # a full disk must not keep captures from being taken over
            _log.warning("data_capture_lost", endpoint=name, lines=len(records), reason=str(error))

    def _waiting(self) -> Iterator[_Waiting]:
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                yield _Waiting(path, msgspec.msgpack.decode(path.read_bytes(), type=WaitingLines))
            except (OSError, msgspec.DecodeError) as error:
                _log.warning("data_capture_unreadable", path=str(path), reason=str(error))


def _groups(waiting: Iterator[_Waiting]) -> Iterator[list[_Waiting]]:
    """What goes into one file each: one place, up to a size."""
    open_: dict[tuple[str, str], list[_Waiting]] = {}
    for each in waiting:
        key = each.content.project, each.content.place
        group = open_.setdefault(key, [])
        group.append(each)
        if sum(len(other.content.lines) for other in group) >= _FILE_BYTES:
            yield open_.pop(key)
    yield from open_.values()


def _file_name(first: _Waiting) -> str:
    moment = datetime.fromtimestamp(first.content.at_ns / 1e9, UTC)
    return f"{moment:%M-%S}-{moment.microsecond // 1000:03d}-{uuid5(NAMESPACE_URL, first.path.stem)}.jsonl"


def _title(hosted: HostedEndpoint, variant: str) -> str:
    """The caller's name of a variant."""
    own = variant.removesuffix(_NEW)
    variants = (*hosted.variants, *(hosted.change.variants if hosted.change is not None else ()))
    return next((each.name for each in variants if own_name(each.name) == own), variant)


def _place_of(record: CaptureRecord) -> tuple[str, str, str, int]:
    return record.project, record.endpoint, record.variant, _hour_of(record)


def _hour_of(record: CaptureRecord) -> int:
    return record.at_ns // 3_600_000_000_000
