"""Demand files: each gateway writes what it is asked for, control reads them, and each goes on without the others.

Files and not messages: when control is down, the requests that wait for a replica are still told of when it is back.
"""

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from modelyard.dataplane.planning.merging import merge_demand
from modelyard.kit.living import LivingFile, is_alive, read_living
from modelyard.types.planning import DemandTable, VariantDemand

POLL_SECONDS = 0.05
"""How often control looks for a new file: a request to an idle endpoint waits this long at most before it is heard."""

_decoder = msgspec.json.Decoder(DemandTable)
_Identity = tuple[int, int, int]


class DemandWriter:
    """A gateway's side: one file, replaced as a whole, that counts for as long as its writer lives."""

    def __init__(self, path: Path) -> None:
        self._file = LivingFile(path)

    def write(self, table: DemandTable) -> None:
        """Replace the file.

        Raises:
            OSError: it cannot be written.
        """
        self._file.write(msgspec.json.encode(table))

    def close(self) -> None:
        """What was written last counts no longer."""
        self._file.close()


class _Report(NamedTuple):
    identity: _Identity
    table: DemandTable


class DemandFollower:
    """Reads the files of all gateways when one has changed, come, or lost its writer. Used from one thread.

    Args:
        folder: holds a file of each gateway, and nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reports: dict[str, _Report] = {}
        self._merged: tuple[VariantDemand, ...] = ()

    def poll(self) -> bool:
        """Look; True if something is new, which is then in `variants`.

        A damaged file is none: the next second has another. What a gateway said before it died does not count.
        """
        reports = {name: report for name in self._names() if (report := self._look(name)) is not None}
        if reports == self._reports:
            return False
        self._reports = reports
        self._merged = merge_demand([report.table for report in reports.values()])
        return True

    @property
    def variants(self) -> tuple[VariantDemand, ...]:
        """What all gateways together are asked for, one entry for each variant that any of them knows."""
        return self._merged

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._folder) if not name.startswith("."))  # noqa: PTH208
        except FileNotFoundError:
            return []

    def _look(self, name: str) -> _Report | None:
        known = self._reports.get(name)
        path = f"{self._folder}/{name}"  # these run 20 times a second: plain calls take a third of Path's time
        try:
            stat = os.stat(path)  # noqa: PTH116
            identity = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if known is not None and known.identity == identity:
                return known if is_alive(path) else None
            content, has_writer = read_living(path)
            return _Report(identity, _decoder.decode(content)) if has_writer else None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return known if known is not None and is_alive(path) else None
