"""The platform under test: started as its users start it, found by what it writes, ended by pid."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.local.records import Records
from modelyard.settings import Home

START_SECONDS = 90.0
STOP_SECONDS = 60.0
_PAUSE = 0.05


class Platform:
    """`modelyard up` in a state directory of its own."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log = self.home.root / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    def keep_up(self) -> None:
        """Start it if it does not run."""
        if self._process is not None and self._process.poll() is None:
            return
        command = [sys.executable, "-m", "modelyard.server.up", "--home", str(self.home.root), "--port", "0"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def pids(self) -> dict[str, int]:
        """Name -> pid of `up`, control and gateway, as far as they run."""
        found: dict[str, int] = {}
        if self._process is not None and self._process.poll() is None:
            found["up"] = self._process.pid
        for name, module in (("control", b"modelyard.server.control"), ("gateway", b"modelyard.server.gateway")):
            for pid in _processes_with(module, os.fsencode(self.home.root)):
                found[name] = pid
        return found

    def is_whole(self) -> bool:
        """Whether `up`, control and gateway run and belong together."""
        try:
            state = json.loads((self.home.run / "platform.json").read_bytes())
        except (OSError, ValueError):
            return False
        return self.pids() == {"up": state["pid"], **state["processes"]}

    def kill(self, pid: int) -> bool:
        """SIGKILL; False if there was no such process. Our own child is gone when this returns."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        if self._process is not None and pid == self._process.pid:
            self._process.wait()
        return True

    def engine(self) -> LocalEngine:
        """The platform's engine, seen from here."""
        return LocalEngine(self.home)

    def records(self) -> Records:
        """The records of its processes."""
        return Records(self.home.processes)

    def stop(self) -> int:
        """End it in order; the exit code.

        Raises:
            subprocess.TimeoutExpired: it does not end.
        """
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def end_everything(self) -> None:
        """Leave no process behind, whatever state the run is in."""
        for pid in self.pids().values():
            self.kill(pid)
        if self._process is not None:
            self._process.wait()
        deadline = time.monotonic() + STOP_SECONDS
        while self.pids() and time.monotonic() < deadline:
            for pid in self.pids().values():
                self.kill(pid)
            time.sleep(_PAUSE)
        engine = self.engine()
        for state in engine.list():
            engine.remove(state.id)
        engine.reap()

    def survivors(self) -> list[str]:
        """Processes of this state directory that run now, in words."""
        found = [f"{name} {pid}" for name, pid in self.pids().items()]
        found += [f"process {state.id}" for state in self.engine().list() if state.is_alive]
        return found + [f"marked process {pid}" for pid in self.marked()]

    def marked(self) -> dict[int, str]:
        """Pid -> process id of everything that runs inside a sandbox of this platform."""
        wanted = f"MODELYARD_PROCESS={self.records().home_digest}/".encode()
        found: dict[int, str] = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    environment = (folder / "environ").read_bytes()
                except OSError:
                    continue
                start = environment.find(wanted)
                if start >= 0:
                    found[int(folder.name)] = environment[start + len(wanted) :].split(b"\0")[0].decode()
        return found


def _processes_with(*words: bytes) -> list[int]:
    """Pids whose command line has all these arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if all(word in arguments for word in words):
                found.append(int(folder.name))
    return found
