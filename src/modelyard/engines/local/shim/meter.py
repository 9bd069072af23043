"""Measures what a process tree uses while it lives: processor time, and memory over time. Standard library only.

The end's processor time comes from the kernel's own account (rusage) and is exact; what is measured here is for the
time before, and for the cases in which the kernel's account is lost: with a supervisor that is killed, and with a pid
namespace whose first process is, because nobody collects the others.
"""

import os
import resource
import time

from modelyard.engines.local import tree
from modelyard.engines.local.cgroups import Cgroup

_SHORTEST_SECONDS = 1.0
_LONGEST_SECONDS = 10.0
_SHARE_OF_AGE = 0.05  # the older a process, the less a sample matters: its memory is off by 5 % of a change at most


class Meter:
    """Samples one tree. `due` says whether it is time."""

    def __init__(self, group: Cgroup | None) -> None:
        self._group = group
        self._began = self._last = time.monotonic()
        self._memory_bytes = 0
        self._byte_seconds = 0.0
        self._cpu_seconds = 0.0
        self._next = self._began

    def due(self) -> bool:
        """True if a sample is to be taken."""
        return time.monotonic() >= self._next

    def sleep_seconds(self) -> float:
        """Until the next sample."""
        return max(0.0, self._next - time.monotonic())

    def sample(self) -> dict[str, float]:
        """What was used until now."""
        pids = tree.descendants(os.getpid())
        now = time.monotonic()
        memory = self._memory(pids)
        self._byte_seconds += (now - self._last) * (self._memory_bytes + memory) / 2
        self._memory_bytes, self._last = memory, now
        self._next = now + min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, _SHARE_OF_AGE * (now - self._began)))
        self._cpu_seconds = max(self._cpu_seconds, _collected_seconds() + tree.cpu_seconds(pids))
        return {"cpu_seconds": round(self._cpu_seconds, 3), "memory_byte_seconds": round(self._byte_seconds)}

    def total_cpu_seconds(self) -> float:
        """Processor time until now, the tree having ended; that of the last sample if the kernel says less."""
        return round(max(self._cpu_seconds, _collected_seconds()), 3)

    def total_byte_seconds(self) -> int:
        """Memory over time until now, the tree having ended: what it held at the last sample, until now."""
        now = time.monotonic()
        self._byte_seconds += (now - self._last) * self._memory_bytes
        self._last, self._memory_bytes = now, 0
        return round(self._byte_seconds)

    def _memory(self, pids: set[int]) -> int:
        """Of the group where there is one, which knows shared pages; of the processes one by one otherwise."""
        held = self._group.anonymous_bytes() if self._group is not None else None
        return tree.private_memory_bytes(pids) if held is None else held


def _collected_seconds() -> float:
    """Of the children that have ended and were collected, and of those that they collected."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
