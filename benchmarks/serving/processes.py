"""Process trees: starting, CPU time, memory, ending every one of them by its pid."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_END_SECONDS = 15.0


@dataclass(frozen=True)
class Status:
    """One process as the kernel knows it; `started` tells it from a later one with the same pid."""

    parent: int
    state: str
    cpu_seconds: float
    started: int


@dataclass
class Tree:
    """Processes started here and all their descendants, also those that were left by their parents."""

    roots: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _known: dict[int, int] = field(default_factory=dict)

    def start(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Start a command; its output goes to server.log in `folder`."""
        with (folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.roots.append(process)

    @property
    def has_ended(self) -> bool:
        """True once one of the started commands is gone."""
        return any(root.poll() is not None for root in self.roots)

    def pids(self) -> list[int]:
        """All that run now."""
        for pid in descendants(root.pid for root in self.roots):
            status = status_of(pid)
            if status is not None:
                self._known.setdefault(pid, status.started)
        return [pid for pid, started in self._known.items() if _is_alive(pid, started)]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End all: the commands by `number`, after a while what is left by SIGKILL."""
        self.pids()
        for root in reversed(self.roots):
            if root.poll() is None:
                root.send_signal(number)
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline and self.pids():
            self.has_ended  # noqa: B018 - collects the dead
            time.sleep(0.05)
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for root in self.roots:
            root.wait()


def status_of(pid: int) -> Status | None:
    """None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return Status(int(fields[1]), fields[0], (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[19]))


def descendants(roots: Iterable[int]) -> list[int]:
    """The processes and all that they have started, their starters being alive."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (status := status_of(int(entry.name))):
            children.setdefault(status.parent, []).append(int(entry.name))
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of all."""
    return sum(status.cpu_seconds for pid in pids if (status := status_of(pid)))


def rss_mb(pids: Iterable[int]) -> float:
    """Resident memory of all; shared pages count in each."""
    return sum(_memory_kb(pid, "Rss:") for pid in pids) / 1024


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional memory of all: shared pages count once."""
    return sum(_memory_kb(pid, "Pss:") for pid in pids) / 1024


def commands() -> dict[int, str]:
    """pid -> command line of everything that runs."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has ended meanwhile
    return found


def _memory_kb(pid: int, kind: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(kind)), 0)


def _is_alive(pid: int, started: int) -> bool:
    status = status_of(pid)
    return status is not None and status.started == started and status.state != "Z"
