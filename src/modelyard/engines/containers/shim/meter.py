"""Measures what the containers of one process use while they live: processor time, and memory over time.

The control group above them counts exactly and for little; where there is none, the daemon is asked.
"""

import time
from collections.abc import Sequence

from modelyard.engines.containers.groups import ParentGroup
from modelyard.engines.containers.shim.container import RunningContainer

_SHORTEST_SECONDS = 1.0
_LONGEST_SECONDS = 10.0
_SHARE_OF_AGE = 0.05  # the older a process, the less a sample matters: its memory is off by 5 % of a change at most


class Meter:
    """Samples the containers of one process, from its start on.

    Args:
        group: above them; None where there is none.
        containers: those that have been started, now or later.
    """

    def __init__(self, group: ParentGroup | None, containers: Sequence[RunningContainer]) -> None:
        self._group = group
        self._containers = containers
        self._began = self._last = time.monotonic()
        self._memory_bytes = 0
        self._byte_seconds = 0.0
        self._cpu_seconds: float | None = None
        self.next_look = self._began

    def look(self) -> dict[str, float] | None:
        """What was used until now, if it is time to look and somebody could say."""
        now = time.monotonic()
        if now < self.next_look:
            return None
        self.next_look = now + min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, _SHARE_OF_AGE * (now - self._began)))
        cpu_seconds, memory_bytes = self._used()
        if cpu_seconds is None:
            return None
        self._add(memory_bytes)
        self._cpu_seconds = max(self._cpu_seconds or 0.0, cpu_seconds)
        return {"cpu_seconds": round(self._cpu_seconds, 3), "memory_byte_seconds": round(self._byte_seconds)}

    def total(self) -> dict[str, float | None]:
        """What was used in all, the containers having ended; None for what nobody could say."""
        counted = self._group.cpu_seconds() if self._group is not None else None
        if counted is None and self._cpu_seconds is None:
            return {"cpu_seconds": None, "memory_byte_seconds": None}
        self._add(0)
        seconds = max(counted or 0.0, self._cpu_seconds or 0.0)
        return {"cpu_seconds": round(seconds, 3), "memory_byte_seconds": round(self._byte_seconds)}

    def _used(self) -> tuple[float | None, int]:
        """Processor seconds, and bytes of memory that no file backs."""
        if self._group is not None and (seconds := self._group.cpu_seconds()) is not None:
            return seconds, self._group.anonymous_bytes() or 0
        answers = [answer for container in self._containers if (answer := container.usage()) is not None]
        return (sum(answer[0] for answer in answers) if answers else None), sum(answer[1] for answer in answers)

    def _add(self, memory_bytes: int) -> None:
        """Count what was held until now; between two looks it is taken to have changed evenly."""
        now = time.monotonic()
        held = (self._memory_bytes + memory_bytes) / 2 if memory_bytes else self._memory_bytes
        self._byte_seconds += (now - self._last) * held
        self._memory_bytes, self._last = memory_bytes, now
