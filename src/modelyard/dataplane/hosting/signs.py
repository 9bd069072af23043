"""A host's signs of life, its alarm, and the marker that names the model at work should the process end."""

import asyncio
import faulthandler
import mmap
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from modelyard.dataplane.hosting.layout import MARKER
from modelyard.dataplane.hosting.report import MARKER_FORMAT
from modelyard.dataplane.vitals import BEAT_SECONDS, GRACE_SECONDS, MARGIN_SECONDS
from modelyard.kit.host import ResidentMemory

_NONE = 0
_TOLERANCE = 0.02


class HostSigns:
    """The process's side; the alarm works as in dataplane.vitals.LifeSigns.

    The marker is a page of memory that is a file: written without a system call, and there after any kind of end.

    Attributes:
        alive_until: what the next report promises.
        weigh_before: charges the model at work last with what its quick batches took; to call before a slow one's.

    Args:
        folder: of the host.
        hang_seconds: a batch may take this long, or as long as its callers wait, whichever is longer.
    """

    def __init__(self, folder: Path, hang_seconds: float) -> None:
        path = folder / MARKER
        path.write_bytes(bytes(MARKER_FORMAT.size))
        with path.open("r+b") as file:
            self._marker = mmap.mmap(file.fileno(), MARKER_FORMAT.size)
        self._hang_seconds = hang_seconds
        self._answering = self._loading = _NONE
        self._alarm_at = 0.0
        self._memory = ResidentMemory()
        self._peak_bytes = self._memory.bytes()
        self.weigh_before: Callable[[], None] | None = None
        self.alive_until = 0.0
        self.promise(BEAT_SECONDS)
        faulthandler.register(signal.SIGALRM, file=sys.stderr, all_threads=False, chain=True)

    def promise(self, seconds: float) -> None:
        """It will be heard of again in so many seconds and the time of a usual batch."""
        self.alive_until = max(self.alive_until, time.monotonic() + seconds + self._hang_seconds + MARGIN_SECONDS)

    def begin_batch(self, number: int, patience_seconds: float) -> bool:
        """Model `number` is at work; True if the promise had to be made longer for it."""
        now, seconds = time.monotonic(), max(self._hang_seconds, patience_seconds + GRACE_SECONDS)
        self._answering = number
        MARKER_FORMAT.pack_into(self._marker, 0, number, self._loading)
        if not seconds - _TOLERANCE * seconds <= self._alarm_at - now <= seconds:
            self._set_alarm(now, seconds)
        if now + seconds + GRACE_SECONDS <= self.alive_until:
            return False
        self.promise(seconds - self._hang_seconds + GRACE_SECONDS)
        return True

    def end_batch(self) -> None:
        """Nobody is at work."""
        self._answering = _NONE
        MARKER_FORMAT.pack_into(self._marker, 0, _NONE, self._loading)

    def growth(self) -> int:
        """Bytes by which the process is larger than it was whenever this was asked before.

        Not the peak that the kernel keeps (getrusage): a process inherits that of the one which started it.
        """
        before = self._peak_bytes
        self._peak_bytes = max(before, self._memory.bytes())
        return self._peak_bytes - before

    def blame(self, number: int) -> None:
        """Model `number` is why the process is about to end, whoever is at work."""
        MARKER_FORMAT.pack_into(self._marker, 0, number, _NONE)

    def _set_alarm(self, now: float, seconds: float) -> None:
        """Taken back when the loop has its turn: batches that come together share an alarm and its system calls."""
        signal.setitimer(signal.ITIMER_REAL, seconds)
        if not self._alarm_at:
            asyncio.get_running_loop().call_soon(self._take_back_alarm)
        self._alarm_at = now + seconds

    def _take_back_alarm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._alarm_at = 0.0

    def begin_load(self, number: int) -> None:
        """Model `number` is being loaded."""
        self._loading = number
        MARKER_FORMAT.pack_into(self._marker, 0, self._answering, number)

    def end_load(self) -> None:
        """It is loaded, or cannot be."""
        self.begin_load(_NONE)
