"""How busy this machine is: whether anything measured or predicted on it means something."""

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")

_MOST_STEAL = 0.05
_MOST_BUSY = 0.9
_MOST_PRESSURE = 40.0
_MOST_RUNNABLE = 2.0
_NICENESS = 5  # a third of an ordinary thread's share where there is not enough for all


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLoad:
    """The machine over a short time.

    Attributes:
        cores: processors.
        busy_share: of their time, the share that was not idle.
        steal_share: of their time, the share that the hypervisor gave to others.
        runnable: tasks that could run, on average.
        pressure: per cent of the last ten seconds in which a task waited for a processor; None: nobody says.
    """

    cores: int
    busy_share: float
    steal_share: float
    runnable: float
    pressure: float | None

    @property
    def saturation(self) -> str:
        """Why the machine is too busy for a prediction to hold, in words; "" if it is not."""
        if self.steal_share >= _MOST_STEAL:
            return f"the hypervisor takes {self.steal_share:.0%} of the processor time for others"
        if self.runnable >= _MOST_RUNNABLE * self.cores:
            return f"{self.runnable:.1f} tasks want to run on {self.cores} processors"
        if self.busy_share >= _MOST_BUSY:
            return f"the processors are busy for {self.busy_share:.0%} of the time"
        if self.pressure is not None and self.pressure >= _MOST_PRESSURE:
            return f"tasks waited for a processor in {self.pressure:.0f} % of the last ten seconds"
        return ""


@dataclass(frozen=True, slots=True)
class _Times:
    total: int
    idle: int
    steal: int


def observe_host(seconds: float = 0.3, proc: Path = PROC) -> HostLoad | None:
    """Watch the machine for a while; None where the kernel tells nothing (not Linux)."""
    try:
        before, runnable = _times(proc), []
        for _ in range(5):
            time.sleep(seconds / 5)
            runnable.append(_runnable(proc))
        after = _times(proc)
    except (OSError, ValueError, IndexError):
        return None
    return _load(before, after, runnable, proc)


def _load(before: _Times, after: _Times, runnable: list[int], proc: Path) -> HostLoad:
    total = after.total - before.total
    if total <= 0:  # no time has passed
        before = _Times(0, 0, 0)
        total = after.total or 1
    return HostLoad(
        cores=os.cpu_count() or 1,
        busy_share=1 - (after.idle - before.idle) / total,
        steal_share=(after.steal - before.steal) / total,
        runnable=sum(runnable) / len(runnable),
        pressure=_pressure(proc),
    )


def _times(proc: Path) -> _Times:
    """Source: proc(5): user nice system idle iowait irq softirq steal guest guest_nice; guest is part of user."""
    values = [int(text) for text in (proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return _Times(sum(values), values[3] + values[4], values[7])


def _runnable(proc: Path) -> int:
    """Tasks that run or could run, without this one."""
    return max(0, int((proc / "loadavg").read_text().split()[3].split("/")[0]) - 1)


def _pressure(proc: Path) -> float | None:
    try:
        first = (proc / "pressure" / "cpu").read_text().split("\n", 1)[0]
        return float(first.split("avg10=")[1].split()[0])
    except (OSError, ValueError, IndexError):
        return None


class HostWatch:
    """The machine's load between two questions, so that asking takes no time. Used from one thread."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._before: _Times | None = None

    def saturation(self) -> str:
        """See HostLoad, over the time since the last question."""
        try:
            now, runnable = _times(self._proc), _runnable(self._proc)
        except (OSError, ValueError, IndexError):
            return ""
        before, self._before = self._before or now, now
        return _load(before, now, [runnable], self._proc).saturation


def process_cpu_seconds(pid: int | None, proc: Path = PROC) -> float:
    """Processor time so far of a process and those below it; 0 where it cannot be seen.

    Source: proc(5): fields 4 (parent), 14 and 15 (user and system time) of /proc/PID/stat.
    """
    if pid is None:
        return 0.0
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in proc.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        number = int(path.parent.name)
        parents[number], ticks[number] = int(fields[1]), int(fields[11]) + int(fields[12])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(each, 0) for each in family) / os.sysconf("SC_CLK_TCK")


def resident_bytes(proc: Path = PROC) -> int:
    """Memory of this process that is in RAM; 0 where the kernel tells nothing. Source: proc(5), /proc/PID/statm."""
    try:
        return int((proc / "self" / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError, IndexError):
        return 0


class ResidentMemory:
    """Memory of this process that is in RAM, for whoever asks often: the file stays open, so it takes 2 us, not 30."""

    def __init__(self) -> None:
        try:
            self._statm = os.open(PROC / "self" / "statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._statm = -1

    def bytes(self) -> int:
        """0 where the kernel tells nothing."""
        if self._statm < 0:
            return 0
        return int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE_BYTES


def give_way() -> None:
    """Let the calling thread, and what it starts, work mostly when others do not want the processor. Linux only."""
    if sys.platform == "linux":  # elsewhere a thread has no niceness of its own
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
