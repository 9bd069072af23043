"""Takes down what gateways say that they have answered, each life of each gateway as if it were a process.

A life's file holds its whole count. It is removed once its writer is gone and the last word of it is in the ledger.
"""

from collections import defaultdict
from pathlib import Path

import msgspec
import structlog

from modelyard.control.metering.ledger import Ledger
from modelyard.control.metering.records import Subject, Used
from modelyard.kit.living import Reading, read_living
from modelyard.types.compute.traffic import TrafficTable, VersionTraffic

KIND = "endpoint"
_decoder = msgspec.json.Decoder(TrafficTable)
_log = structlog.get_logger(__name__)


class TrafficMeter:
    """For one thread.

    Args:
        folder: holds a file of each life, and nothing else.
        ledger: of the application that has the endpoints.
    """

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self._folder = folder
        self._ledger = ledger
        self._written: dict[str, bytes] = {}

    def look(self) -> None:
        """Write down what every gateway has answered so far; nothing is read into the ledger twice."""
        paths = sorted(self._folder.glob("[!.]*"))
        self._written = {path.name: self._written.get(path.name, b"") for path in paths}
        for path in paths:
            reading = _read(path)
            if reading is None:
                continue
            if reading.content != self._written[path.name]:
                self._write(path.name, reading.content)
                self._written[path.name] = reading.content
            if not reading.is_alive and _read(path) == reading:  # else a newer one has just come in its place
                path.unlink(missing_ok=True)

    def _write(self, life: str, content: bytes) -> None:
        try:
            table = _decoder.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("traffic_file_damaged", life=life, reason=str(error))  # it is not forced to the disk
            return
        projects: dict[str, list[tuple[Subject, Used]]] = defaultdict(list)
        for each in table.versions:
            projects[each.project].append((_subject(each), _used(each)))
        for project, totals in projects.items():
            self._ledger.reach(f"{life}/{project}", totals)


def _read(path: Path) -> Reading | None:
    try:
        return read_living(path)
    except FileNotFoundError:
        return None


def _subject(traffic: VersionTraffic) -> Subject:
    return Subject(
        project=traffic.project, kind=KIND, name=traffic.endpoint, version=f"{traffic.model}:{traffic.number}"
    )


def _used(traffic: VersionTraffic) -> Used:
    return Used(predictions=traffic.predictions, bytes_in=traffic.bytes_in, bytes_out=traffic.bytes_out)
