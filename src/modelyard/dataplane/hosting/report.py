"""What a model host says of itself: a small file beside its sockets, renewed at every change and every few seconds."""

import contextlib
import struct
from enum import StrEnum
from pathlib import Path

import msgspec

from modelyard.dataplane.hosting.layout import MARKER, REPORT

MARKER_FORMAT = struct.Struct("<II")
"""Numbers of the model that answers a batch and of the one that is being loaded; 0: none."""


class ModelState(StrEnum):
    """LOADING; SERVED: it answers; PARKED: it was unloaded to make room, and its next request loads it."""

    LOADING = "LOADING"
    SERVED = "SERVED"
    PARKED = "PARKED"


class HostedReport(msgspec.Struct, frozen=True, kw_only=True):
    """One model of a host.

    Attributes:
        number: its number in the marker.
        state: what it does.
        title: what it is, for people.
        resident_bytes: by how much the host grew when it was loaded; 0 while it is parked.
        batches: answered since it came.
        loads: how often it was loaded.
        busy_seconds: time in its batches.
        nan_output: an output in which it answered NaN although none of its golden answers has any.
    """

    number: int
    state: ModelState
    title: str = ""
    resident_bytes: int = 0
    batches: int = 0
    loads: int = 0
    busy_seconds: float = 0.0
    nan_output: str = ""


class HostReport(msgspec.Struct, frozen=True, kw_only=True):
    """A host.

    Attributes:
        alive_until: moment of CLOCK_MONOTONIC before which it writes again, as in dataplane.vitals.
        project: whose models it serves; empty while it has not served any.
        resident_bytes: of the process.
        busy_share: of a processor, over its last seconds, what answering took. Not of the time: on a crowded machine
            the time of a batch is the neighbours'.
        models: by place.
    """

    alive_until: float
    project: str = ""
    resident_bytes: int = 0
    busy_share: float = 0.0
    models: dict[str, HostedReport] = {}


class ReportReader:
    """Follows the reports of hosts: reads a file again only when it is another one. Safe from any thread."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[tuple[int, int, int], HostReport]] = {}

    def read(self, folder: Path) -> HostReport | None:
        """What the host in `folder` said last; None if it said nothing yet."""
        path = folder / REPORT
        try:
            stat = path.stat()
            identity = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            seen = self._seen.get(folder)
            if seen is not None and seen[0] == identity:
                return seen[1]
            report = msgspec.json.decode(path.read_bytes(), type=HostReport)
        except (OSError, msgspec.DecodeError):
            return None
        self._seen[folder] = identity, report
        return report

    def forget(self, folder: Path) -> None:
        """The host is gone."""
        self._seen.pop(folder, None)


def at_work(folder: Path, report: HostReport) -> frozenset[str]:
    """Ids of the models that the host was answering with, or loading, at its last moment."""
    numbers: tuple[int, ...] = ()
    with contextlib.suppress(OSError, struct.error):
        numbers = MARKER_FORMAT.unpack((folder / MARKER).read_bytes())
    return frozenset(place for place, model in report.models.items() if model.number in numbers)


def write_report(folder: Path, report: HostReport) -> None:
    """Replace the report; a full disk must not end a host that answers."""
    temporary = folder / f"{REPORT}.new"
    with contextlib.suppress(OSError):
        temporary.write_bytes(msgspec.json.encode(report))
        temporary.replace(folder / REPORT)
