"""Writes down what a process tree uses, a line for each look. Standard library only.

Looks are a second apart in the first ten minutes and then a six hundredth of the age: a picture has no finer grain, and
a day takes some 4,000 lines.
"""

import contextlib
import json
import os
import time

from modelyard.engines.local import tree

_SHORTEST_SECONDS = 1.0
_SHARE_OF_AGE = 1 / 600


class ProfileLog:
    """Samples one tree into one file. `due` says whether it is time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()
        self._next = self._began
        self._waited: dict[int, int] = {}
        self._waited_ns = 0
        self._read_bytes = self._written_bytes = 0
        self._cpu_seconds = 0.0

    def due(self) -> bool:
        """True if a sample is to be taken."""
        return time.monotonic() >= self._next

    def sleep_seconds(self) -> float:
        """Until the next sample."""
        return max(0.0, self._next - time.monotonic())

    def look(self) -> None:
        """Append a sample; a full disk loses it. Sums never fall, though ended processes may take theirs along."""
        now = time.monotonic()
        self._next = now + max(_SHORTEST_SECONDS, _SHARE_OF_AGE * (now - self._began))
        pids = tree.descendants(os.getpid())
        blocked = self._look_at_tasks(pids)
        read_bytes, written_bytes = tree.io_bytes(pids)
        self._read_bytes = max(self._read_bytes, read_bytes)
        self._written_bytes = max(self._written_bytes, written_bytes)
        self._cpu_seconds = max(self._cpu_seconds, tree.cpu_seconds(pids))
        sample = {
            "at": round(time.time(), 3),
            "cpu_seconds": round(self._cpu_seconds, 3),
            "waiting_seconds": round(self._waited_ns / 1e9, 3),
            "blocked_tasks": blocked,
            "memory_bytes": tree.private_memory_bytes(pids),
            "read_bytes": self._read_bytes,
            "written_bytes": self._written_bytes,
        }
        with contextlib.suppress(OSError), open(self._name, "a", encoding="ascii") as file:
            file.write(json.dumps(sample) + "\n")

    def _look_at_tasks(self, pids: set[int]) -> int:
        """Add up what threads waited for processors since the last look; how many wait for a disk now."""
        blocked = 0
        waited = {}
        for task, state, waited_ns in tree.tasks(pids):
            blocked += state == "D"
            self._waited_ns += max(0, waited_ns - self._waited.get(task, 0))
            waited[task] = waited_ns
        self._waited = waited
        return blocked
