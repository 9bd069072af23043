"""The time that an AutoML job may take, over all its attempts."""

import os
import time
from collections.abc import Callable
from pathlib import Path

_END_SHARE = 0.15
"""The end of this process (its report, its exit) takes about so much of what its start took, on any machine."""


class Budget:
    """Counts from the start of this process, to its end: what its imports took is time too.

    Args:
        seconds: that there are.
        spent_before: by earlier attempts.
        clock: seconds of a clock that never goes back.
        age: of this process, in seconds.
    """

    def __init__(
        self, seconds: float, spent_before: float, clock: Callable[[], float] = time.monotonic, age: float | None = None
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        age = process_age_seconds() if age is None else age
        self._end_seconds = _END_SHARE * age
        self._begun_at = clock() - spent_before - age

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self._clock() - self._begun_at

    @property
    def left(self) -> float:
        """Seconds until this process has to come to its end; below 0 when that is due."""
        return self.seconds - self._end_seconds - self.spent


def process_age_seconds() -> float:
    """How long this process has run.

    Source: proc(5), /proc/pid/stat, field 22.
    """
    ticks = int(Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19])
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
