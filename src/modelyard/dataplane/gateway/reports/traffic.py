"""What the gateway has answered, version by version, in a file for whoever meters it.

A file holds the count of one life of a gateway and is never taken back: the reader removes it when the life is over.
"""

import logging
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import msgspec

from modelyard.kit.ids import new_id
from modelyard.kit.living import LivingFile
from modelyard.types.compute.traffic import TrafficTable, VersionTraffic

_REPORT_SECONDS = 1.0
_MOST_GONE = 200  # versions that are served no more; then a new file begins without them
_logger = logging.getLogger(__name__)


class VersionKey(NamedTuple):
    """A model version at an endpoint."""

    project: str
    endpoint: str
    model: str
    number: int


class VersionMeter:
    """Counters on the hot path: three additions an answer."""

    __slots__ = ("bytes_in", "bytes_out", "predictions")

    def __init__(self) -> None:
        self.predictions = self.bytes_in = self.bytes_out = 0

    def answered(self, rows: int, bytes_in: int, bytes_out: int) -> None:
        """One answer."""
        self.predictions += rows
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

    @property
    def counts(self) -> tuple[int, int, int]:
        """Predictions, bytes in, bytes out."""
        return self.predictions, self.bytes_in, self.bytes_out


class TrafficMeters:
    """A meter for each version that was ever asked for, until its life's file is over."""

    def __init__(self) -> None:
        self._meters: dict[VersionKey, VersionMeter] = {}

    def of(self, key: VersionKey) -> VersionMeter:
        """The same object for the same version."""
        return self._meters.setdefault(key, VersionMeter())

    def counts(self) -> dict[VersionKey, tuple[int, int, int]]:
        """As they are now."""
        return {key: meter.counts for key, meter in self._meters.items()}

    def forget_all_but(self, kept: Collection[VersionKey]) -> None:
        """Drop the others."""
        self._meters = {key: meter for key, meter in self._meters.items() if key in kept}


class TrafficReporter:
    """Writes the file every second in which something was answered.

    Args:
        folder: for one file of each life; None: nothing is reported.
        meters: what is reported.
    """

    def __init__(self, folder: Path | None, meters: TrafficMeters) -> None:
        self._folder = folder
        self._meters = meters
        self._due_at = 0.0
        self._before: dict[VersionKey, tuple[int, int, int]] = {}
        self._told: tuple[VersionTraffic, ...] = ()
        self._file = self._begin()

    def tick(self, served: Collection[VersionKey]) -> None:
        """Report if it is time; `served` is what the routing table names now."""
        now = time.monotonic()
        if self._file is None or now < self._due_at:
            return
        self._due_at = now + _REPORT_SECONDS
        counts = self._meters.counts()
        if self._tell(self._file, counts) and len(counts) > len(served) + _MOST_GONE:
            self._file.close()
            self._meters.forget_all_but(served)
            self._before, self._told = self._meters.counts(), ()
            self._file = self._begin()

    def close(self) -> None:
        """Say the last word."""
        if self._file is not None:
            self._tell(self._file, self._meters.counts())
            self._file.close()

    def _begin(self) -> LivingFile | None:
        if self._folder is None:
            return None
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LivingFile(self._folder / new_id("gateway"))

    def _tell(self, file: LivingFile, counts: dict[VersionKey, tuple[int, int, int]]) -> bool:
        versions = tuple(
            VersionTraffic(**key._asdict(), predictions=predictions, bytes_in=bytes_in, bytes_out=bytes_out)
            for key, now in counts.items()
            for predictions, bytes_in, bytes_out in [self._since(key, now)]
            if predictions
        )
        if versions == self._told:
            return True
        try:
            file.write(msgspec.json.encode(TrafficTable(versions=versions)))
        except OSError as error:  # a full disk must not end inference
            _logger.warning("the traffic file could not be written: %s", error)
            return False
        self._told = versions
        return True

    def _since(self, key: VersionKey, now: tuple[int, int, int]) -> tuple[int, int, int]:
        before = self._before.get(key, (0, 0, 0))
        return now[0] - before[0], now[1] - before[1], now[2] - before[2]
