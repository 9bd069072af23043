"""The figures of all gateways that share a port, in files beside each other, so that any of them can tell the sum.

No count is ever shown that is not in its gateway's file. So a gateway that is killed takes nothing back that was told,
and its successor goes on counting from the file: the sum never falls, which Prometheus would take for a new start.
"""

import logging
import time
from pathlib import Path

import msgspec

from modelyard.dataplane.gateway.reports.metrics import Snapshot
from modelyard.kit.living import LivingFile, read_living

_TELL_SECONDS = 1.0
_decoder = msgspec.msgpack.Decoder(Snapshot)
_encoder = msgspec.msgpack.Encoder()
_logger = logging.getLogger(__name__)


class Siblings:
    """One gateway among several. For the event loop's thread.

    Args:
        path: this gateway's file, in a folder that holds one of each gateway and nothing else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = LivingFile(path)
        self._past = _read(path) or Snapshot()
        self._past.end()
        self._told = b""
        self._due_at = 0.0

    def is_due(self, now: float) -> bool:
        """True if the others should hear of this gateway again; `now` in seconds of the monotonic clock."""
        return now >= self._due_at

    def tell(self, own: Snapshot) -> Snapshot:
        """Let the others know this gateway's figures; returns them with those of its earlier lives."""
        self._due_at = time.monotonic() + _TELL_SECONDS
        total = Snapshot()
        total.add(self._past)
        total.add(own)
        content = _encoder.encode(total)
        if content != self._told:
            try:
                self._file.write(content)
                self._told = content
            except OSError as error:  # a full disk must not end inference
                _logger.warning("the figures file could not be written: %s", error)
        return total

    def sum(self, own: Snapshot) -> Snapshot:
        """The figures of all gateways, living and dead, as far as they are of the table that this one follows."""
        total = self.tell(own)
        for path in self._path.parent.glob("[!.]*"):
            other = _read(path) if path != self._path else None
            if other is not None:
                total.add(other)
        total.keep_only(own.pools)
        return total

    def close(self) -> None:
        """This gateway ends; its counts stay."""
        self._file.close()


def _read(path: Path) -> Snapshot | None:
    """A gateway's figures; of a dead one the counts alone."""
    try:
        content, is_alive = read_living(path)
        snapshot = _decoder.decode(content)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not is_alive:
        snapshot.end()
    return snapshot
