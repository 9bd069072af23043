"""The limits that no daemon holds: time and disk; and memory that only a part of the process ran out of."""

import time
from collections.abc import Callable

from modelyard.engines.containers.groups import ParentGroup
from modelyard.engines.containers.plan import Plan
from modelyard.engines.local import tree
from modelyard.engines.local.shim.watch import folder_bytes, in_units

Broken = tuple[str, str]  # cause of the end, sentence

_MEMORY_INTERVAL_SECONDS = 0.5
_DISK_INTERVAL_SECONDS = 0.25
_UNCOUNTED_BYTES = 1 << 20  # the kernel charges in pieces, and stops one short of the limit


class Limits:
    """Says when a limit is broken, and when to look again.

    Args:
        plan: names them.
        group: counts its memory; None where there is none.
    """

    def __init__(self, plan: Plan, group: ParentGroup | None) -> None:
        self._plan = plan
        self._group = group
        self._pid: int | None = None
        self._started = time.monotonic()
        self._checks: list[tuple[float, Callable[[], Broken | None]]] = []
        if group is not None and any(container["memory_bytes"] for container in plan["containers"]):
            self._checks.append((_MEMORY_INTERVAL_SECONDS, self._memory))
        if plan["disk_bytes"] is not None:
            self._checks.append((_DISK_INTERVAL_SECONDS, self.disk))
        self._due = [0.0] * len(self._checks)
        self._baseline = {path: folder_bytes(path) for path in plan["written"][1:]}

    def watch(self, pid: int | None) -> None:
        """Count the open files of this process and those below it."""
        self._pid = pid

    def next_look(self) -> float | None:
        """When to look again, on the monotonic clock; None: not for any limit's sake."""
        limit = self._plan["time_limit_seconds"]
        moments = [*self._due, *([] if limit is None else [self._started + limit])]
        return min(moments, default=None)

    def look(self) -> Broken | None:
        """The broken limit, if one is broken now."""
        limit = self._plan["time_limit_seconds"]
        if limit is not None and time.monotonic() >= self._started + limit:
            return "TIMEOUT", f"it ran longer than its limit of {limit:g} s"
        for index, (interval, check) in enumerate(self._checks):
            begin = time.monotonic()
            if begin < self._due[index]:
                continue
            broken = check()
            # What takes long (a folder of a million files) is asked less often: a tenth of the time at most.
            self._due[index] = time.monotonic() + max(interval, 10 * (time.monotonic() - begin))
            if broken is not None:
                return broken
        return None

    def disk(self) -> Broken | None:
        """Whether it wrote more than it may: its folders and its deleted, still open files."""
        limit = self._plan["disk_bytes"]
        if limit is None:
            return None
        used = sum(folder_bytes(path) - self._baseline.get(path, 0) for path in self._plan["written"])
        if used < limit and self._pid is not None:
            used += tree.deleted_file_bytes({self._pid} | tree.descendants(self._pid))
        return (
            ("DISK_LIMIT", f"it wrote {in_units(used)}, its disk limit is {in_units(limit)}") if used >= limit else None
        )

    def is_memory_used_up(self, limit: int) -> bool:
        """Whether its containers ever had all the memory that one of them may have."""
        peak = self._group.peak_bytes() if self._group is not None else None
        return peak is not None and peak >= limit - _UNCOUNTED_BYTES

    def _memory(self) -> Broken | None:
        if self._group is None or not self._group.oom_kills():
            return None
        limits = [container["memory_bytes"] for container in self._plan["containers"] if container["memory_bytes"]]
        return "OUT_OF_MEMORY", f"it needed more memory than its limit of {in_units(min(limits))}"
