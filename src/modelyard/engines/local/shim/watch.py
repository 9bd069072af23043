"""Looks at what a process tree uses, where no control group or rlimit does. Standard library only."""

import os
import time
from collections.abc import Callable

from modelyard.engines.local import tree
from modelyard.engines.local.cgroups import Cgroup
from modelyard.engines.local.plan import Plan

Broken = tuple[str, str]  # cause of the end, sentence

_MEMORY_INTERVAL_SECONDS = 0.1
_GROUP_INTERVAL_SECONDS = 0.5
_DISK_INTERVAL_SECONDS = 0.25


class Watch:
    """Says when a limit is broken. `interval_seconds` is how often to ask, None if there is nothing to watch."""

    def __init__(self, plan: Plan, group: Cgroup | None) -> None:
        self._plan = plan
        self._limits = plan["limits"]
        self._group = group
        self._checks: list[tuple[float, Callable[[], Broken | None]]] = []
        has_memory_group = group is not None and group.has("memory")
        if has_memory_group:
            self._checks.append((_GROUP_INTERVAL_SECONDS, self._group_memory))
        elif self._limits["memory_bytes"] is not None:
            self._checks.append((_MEMORY_INTERVAL_SECONDS, self._tree_memory))
        if group is None or not group.has("pids"):
            self._checks.append((_MEMORY_INTERVAL_SECONDS, self._tree_size))
        if self._limits["disk_bytes"] is not None:
            self._checks.append((_DISK_INTERVAL_SECONDS, self.disk))
        self._due = [0.0] * len(self._checks)
        self._work_directory = plan["stage"]["work_directory"]
        self._baseline = {path: folder_bytes(path) for path in plan["written"] if path != self._work_directory}
        self.interval_seconds = min((interval for interval, _ in self._checks), default=None)

    def look(self) -> Broken | None:
        """The broken limit, if one is broken now."""
        now = time.monotonic()
        for index, (interval, check) in enumerate(self._checks):
            if now >= self._due[index]:
                broken = check()
                # What takes long (a folder of a million files) is asked less often: a tenth of the time at most.
                self._due[index] = time.monotonic() + max(interval, 10 * (time.monotonic() - now))
                if broken is not None:
                    return broken
        return None

    def disk(self) -> Broken | None:
        """Whether what the process wrote is over the limit: its folders and its deleted, still open files."""
        limit = self._limits["disk_bytes"]
        if limit is None:
            return None
        used = sum(folder_bytes(path) - self._baseline.get(path, 0) for path in self._plan["written"])
        if used < limit:
            used += tree.deleted_file_bytes(tree.descendants(os.getpid()))
        if used < limit:
            return None
        return "DISK_LIMIT", f"it wrote {in_units(used)}, its disk limit is {in_units(limit)}"

    def group_oom(self) -> Broken | None:
        """Whether the kernel killed one of its processes at the memory limit."""
        return self._group_memory() if self._group is not None else None

    def _group_memory(self) -> Broken | None:
        if self._group is None or not self._group.oom_kills():
            return None
        return "OUT_OF_MEMORY", self._memory_sentence()

    def _tree_memory(self) -> Broken | None:
        limit = self._limits["memory_bytes"]
        pids = tree.descendants(os.getpid())
        # The quick number counts pages shared after a fork several times: only when it is over, ask for the exact one.
        if limit is None or tree.private_memory_bytes(pids) <= limit:
            return None
        exact = tree.proportional_memory_bytes(pids)
        return ("OUT_OF_MEMORY", self._memory_sentence()) if exact > limit or exact == 0 else None

    def _memory_sentence(self) -> str:
        limit = self._limits["memory_bytes"]
        return "it needed more memory than " + ("there is" if limit is None else f"its limit of {in_units(limit)}")

    def _tree_size(self) -> Broken | None:
        limit = self._limits["max_processes"]
        tasks = tree.task_count(tree.descendants(os.getpid()))
        return ("SIGNAL", f"it had {tasks} threads and processes, its limit is {limit}") if tasks > 2 * limit else None


def folder_bytes(path: str) -> int:
    """Disk used by a folder, links not followed; what cannot be read counts nothing."""
    total = 0
    waiting = [path]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:  # deleted meanwhile
            continue
    return total


def in_units(count: int) -> str:
    """Bytes for people: 3.5 GiB."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:  # noqa: PLR2004
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"
