"""The processes that a supervisor keeps alive, and what is left of them when the supervisor itself was killed."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from modelyard.settings import Home

PROGRAMS = {"control": "modelyard.server.control", "gateway": "modelyard.server.gateway"}
_OF_CONTROL = "modelyard.server.tracking.program"  # ends with control, by itself
STABLE_SECONDS = 10.0
_MAX_PAUSE_SECONDS = 5.0
_END_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


class Child:
    """One supervised process: started again with a growing pause while it keeps crashing.

    Args:
        program: in PROGRAMS.
        options: its command line.
        environment: read at every start, so it may change in between.
        home: whose logs it writes.
        name: of this process, where several run the program.
    """

    def __init__(
        self, program: str, options: list[str], environment: dict[str, str], home: Home, name: str = ""
    ) -> None:
        self.name = name = name or program
        self.log = home.logs / f"{name}.log"
        self._command = [sys.executable, "-m", PROGRAMS[program], "--home", str(home.root), *options]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._pause_seconds = 0.1
        self._started_at = 0.0
        self._restart_at = 0.0

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def keep_alive(self) -> str | None:
        """Start it if it does not run and its pause is over; says so in a sentence if it has ended."""
        if self.pid is not None:
            return None
        now = time.monotonic()
        words = None
        if self._process is not None:
            words = f"{self.name} ended with code {self._process.returncode}; starting it again. Its log: {self.log}"
            lived_long = now - self._started_at > STABLE_SECONDS
            self._pause_seconds = 0.1 if lived_long else min(_MAX_PAUSE_SECONDS, self._pause_seconds * 2)
            self._restart_at = now + self._pause_seconds
            self._process = None
        if now >= self._restart_at:
            self._start()
        return words

    def terminate(self) -> None:
        """SIGTERM, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, patience_seconds: float) -> None:
        """Until it has ended; SIGKILL if that takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then stops the others in order
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - the supervisor has one thread
            )


def end_left_over(home: Home, patience_seconds: float = 0.0) -> list[int]:
    """Kill control, gateway and MLflow's processes of a supervisor that is gone; their pids. Jobs and replicas live on.

    Call it while holding the state directory's lock: then nobody else supervises them. Those that are about to end by
    themselves get `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    while _left_over(home) and time.monotonic() < deadline:
        time.sleep(0.02)
    found = _left_over(home)
    for pid in found:
        _kill(pid)
    deadline = time.monotonic() + _END_SECONDS
    while _left_over(home) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def _left_over(home: Home) -> list[int]:
    root, own_pids = os.fsencode(home.root), Path("/proc/self/ns/pid").readlink()
    modules = {module.encode() for module in (*PROGRAMS.values(), _OF_CONTROL)}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            is_here = (folder / "ns" / "pid").readlink() == own_pids  # a container has a folder of the same name
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if is_here and root in arguments and modules.intersection(arguments):
            found.append(int(folder.name))
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _end_with_parent() -> None:
    """In the child: be sent SIGTERM when the supervisor is gone, however it went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
