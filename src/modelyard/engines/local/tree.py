"""The processes under one process, read from /proc. Standard library only."""

import os
import signal
import time
from collections.abc import Iterable, Iterator

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")
_MOST_TASKS = 64  # a look must stay cheap beside what it looks at


def descendants(pid: int) -> set[int]:
    """Every process whose chain of parents leads to `pid`, without itself."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(parent_of(int(name)), []).append(int(name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def parent_of(pid: int) -> int:
    """Parent of `pid`; 0 if it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def owner_of(pid: int) -> int | None:
    """User id of `pid`; None if it is gone."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time so far of `pids` and of the children that they have collected.

    Source: proc(5): fields 14 to 17 of /proc/PID/stat are user and system time, the process's and its children's.
    """
    ticks = sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid)))
    return ticks / _TICKS


def task_count(pids: Iterable[int]) -> int:
    """Threads of `pids` together."""
    return sum(int(fields[17]) for pid in pids if (fields := _stat(pid)))


def io_bytes(pids: Iterable[int]) -> tuple[int, int]:
    """What `pids`, and the children that they have collected, took in and gave out by read and write calls.

    Source: proc(5): rchar and wchar of /proc/PID/io.
    """
    taken = given = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/io").splitlines():
            name, _, count = line.partition(": ")
            taken += int(count) if name == "rchar" else 0
            given += int(count) if name == "wchar" else 0
    return taken, given


def tasks(pids: Iterable[int]) -> Iterator[tuple[int, str, int]]:
    """Threads of `pids`, 64 at most: id, state, and for how many nanoseconds it could have run and did not.

    Source: proc(5): field 3 of /proc/PID/task/TID/stat; the second number of schedstat, in the kernel's
    Documentation/scheduler/sched-stats.
    """
    found = [(pid, task) for pid in pids for task in _names(f"/proc/{pid}/task")]
    for pid, task in found[:_MOST_TASKS]:
        fields, times = _stat_of(f"/proc/{pid}/task/{task}"), _read(f"/proc/{pid}/task/{task}/schedstat").split()
        if fields and len(times) > 1:
            yield int(task), fields[0], int(times[1])


def private_memory_bytes(pids: Iterable[int]) -> int:
    """Resident memory of `pids` that no file backs; pages shared after a fork count once for each process."""
    total = 0
    for pid in pids:
        numbers = _read(f"/proc/{pid}/statm").split()
        if numbers:
            total += (int(numbers[1]) - int(numbers[2])) * _PAGE
    return total


def proportional_memory_bytes(pids: Iterable[int]) -> int:
    """Resident memory of `pids`, shared pages divided among those who share them; slow, exact."""
    total = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += int(line.split()[1]) * 1024
    return total


def deleted_file_bytes(pids: Iterable[int]) -> int:
    """Disk held by files that are deleted but still open in `pids`."""
    seen: dict[tuple[int, int], int] = {}
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        try:
            for name in os.listdir(folder):
                info = os.stat(os.path.join(folder, name))
                if info.st_nlink == 0:
                    seen[info.st_dev, info.st_ino] = info.st_blocks * 512
        except OSError:  # gone, or not ours to look at
            continue
    return sum(seen.values())


def kill_descendants(pid: int, *, patience_seconds: float = 10.0) -> None:
    """End everything under `pid`. Stops all of it first, so that nothing can fork away from its end."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        alive = {child for child in descendants(pid) if not is_zombie(child)}
        if not alive:
            return
        stopped: set[int] = set()
        while alive - stopped:
            _signal_all(alive - stopped, signal.SIGSTOP)
            stopped |= alive
            alive = {child for child in descendants(pid) if not is_zombie(child)}
        _signal_all(alive, signal.SIGKILL)
        time.sleep(0.005)


def is_zombie(pid: int) -> bool:
    """Whether `pid` has ended and waits to be collected, or is gone."""
    fields = _stat(pid)
    return not fields or fields[0] in "ZX"


def _signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; empty if it is gone."""
    return _stat_of(f"/proc/{pid}")


def _stat_of(folder: str) -> list[str]:
    return _read(f"{folder}/stat").rpartition(")")[2].split()


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
