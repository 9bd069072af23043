"""Memory and file descriptors of processes over time, and whether they grew."""

import threading
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_EVERY_SECONDS = 0.5
_ALLOWED_GROWTH_MB = 8.0
_PARTS = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a process."""

    rss_mb: float
    descriptors: int


class Vitals:
    """A thread that looks at processes by name."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self.readings: dict[str, list[Reading]] = {name: [] for name in pids}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._end.set()
        self._thread.join()

    def growth_mb(self, name: str) -> float:
        """Median memory of the last fifth of the time, less that of the second: the first is warming up."""
        parts = self._parts(name)
        return median(r.rss_mb for r in parts[-1]) - median(r.rss_mb for r in parts[1])

    def problems(self) -> list[str]:
        """Processes that have grown, in words."""
        return [
            f"{name} grew by {growth:.1f} MB"
            for name in self._pids
            if (growth := self.growth_mb(name)) > _ALLOWED_GROWTH_MB
        ]

    def lines(self) -> list[str]:
        """For a reader: medians over each fifth of the time."""
        return [
            f"{name}: "
            + ", ".join(f"{median(r.rss_mb for r in p):.1f} MB {median(r.descriptors for r in p):g} fds" for p in parts)
            for name, parts in ((name, self._parts(name)) for name in self._pids)
        ]

    def _parts(self, name: str) -> list[list[Reading]]:
        readings = self.readings[name]
        size = max(1, len(readings) // _PARTS)
        return [readings[index * size : (index + 1) * size] for index in range(_PARTS)]

    def _run(self) -> None:
        while not self._end.wait(_EVERY_SECONDS):
            for name, pid in self._pids.items():
                self.readings[name].append(look_at(pid))


def look_at(pid: int) -> Reading:
    """Memory and file descriptors of a process now."""
    process = Path(f"/proc/{pid}")
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS:"))
    return Reading(int(line.split()[1]) / 1024, sum(1 for _ in (process / "fd").iterdir()))
