"""The control group above a process's containers: it says what they used, and ends them when nobody else does.

The daemon makes and limits a group for each container, and deletes it with the container; the one above stays until
the supervisor has read it.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from modelyard.engines.local import cgroups

_VERSION_1, _VERSION_2 = 1, 2


class ParentGroup:
    """Folders of one name, one in each hierarchy of control groups that is mounted here.

    Args:
        name: of the group, a folder below the root of each hierarchy.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def create(self) -> None:
        """Make it where memory and processor time are counted, before a daemon does."""
        for folder in self._folders():
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)

    def peak_bytes(self) -> int | None:
        """The most memory that everything inside had at one time."""
        return self._number("memory.peak", "memory.max_usage_in_bytes")

    def anonymous_bytes(self) -> int | None:
        """Memory inside that no file backs, now; None where nobody counts it."""
        names = ("anon ", "shmem ") if cgroups.version_in_use() == _VERSION_2 else ("total_rss ", "total_shmem ")
        for folder in self._folders():
            lines = _read(folder / "memory.stat").splitlines()
            if lines:
                return sum(int(line.split()[1]) for line in lines if line.startswith(names))
        return None

    def cpu_seconds(self) -> float | None:
        """Processor time of everything inside."""
        for folder in self._folders():
            for line in _read(folder / "cpu.stat").splitlines():
                if line.startswith("usage_usec ") and cgroups.version_in_use() == _VERSION_2:
                    return int(line.split()[1]) / 1e6
            used = _read(folder / "cpuacct.usage").strip()
            if used:
                return int(used) / 1e9
        return None

    def oom_kills(self) -> int:
        """How many processes inside the kernel has killed for memory, as far as their groups still exist."""
        found = 0
        for folder in self._all_folders():
            events = _read(folder / "memory.events.local") or _read(folder / "memory.oom_control")
            found += sum(int(line.split()[1]) for line in events.splitlines() if line.startswith("oom_kill "))
        return found

    def pids(self) -> set[int]:
        """Processes inside now."""
        return {
            int(pid) for folder in self._all_folders() for pid in _read(folder / "cgroup.procs").split() if pid != "0"
        }

    def end(self, *, patience_seconds: float = 5.0) -> int:
        """SIGKILL to everything inside, then delete it; how many processes there were."""
        deadline = time.monotonic() + patience_seconds
        first = self.pids()
        while True:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            left = [folder for folder in self._all_folders() if not _remove(folder)]
            if not left or time.monotonic() > deadline:
                return len(first)
            time.sleep(0.02)

    def _number(self, *names: str) -> int | None:
        texts = (_read(folder / name).strip() for folder in self._folders() for name in names)
        return next((int(text) for text in texts if text.isdigit()), None)

    def _folders(self) -> list[Path]:
        return [mount / self._name for mount in _hierarchies()]

    def _all_folders(self) -> list[Path]:
        """Deepest first."""
        found = [Path(folder) for top in self._folders() for folder, _, _ in os.walk(top)]
        return sorted(found, key=lambda path: -len(path.parts))


def parent_groups(prefix: str) -> set[str]:
    """Names of the groups on this machine that begin with `prefix`."""
    found: set[str] = set()
    for mount in _hierarchies():
        with contextlib.suppress(OSError):
            found |= {path.name for path in mount.iterdir() if path.name.startswith(prefix)}
    return found


def _hierarchies() -> Iterator[Path]:
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        head, _, tail = line.partition(" - ")
        if tail.startswith(("cgroup ", "cgroup2 ")):
            yield Path(head.split(" ")[4])


def _remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
