"""Starts MLflow's server when somebody asks for it, starts it again when it dies, ends it when nobody asks any more."""

import contextlib
import importlib.metadata
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import httpx
import structlog

from modelyard.kit.clock import Clock
from modelyard.kit.unix_sockets import listens
from modelyard.settings import Settings
from modelyard.types.experiments.tracking import TrackingServerState, TrackingStatus

_log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-m", "modelyard.server.tracking.program")
LOOK_SECONDS = 0.25
IDLE_LOOK_SECONDS = 5.0
START_SECONDS = 180.0
_STABLE_SECONDS = 30.0
_MAX_PAUSE_SECONDS = 30.0
_END_SECONDS = 10.0
_MOST_FAILURES = 3
_TAIL_LINES = 4


@dataclass(slots=True)
class _Process:
    popen: "subprocess.Popen[bytes]"
    started_at: datetime
    since: float
    start_seconds: float | None = None


class TrackingSupervisor:
    """MLflow's server on this machine. `look` is one control duty's; everything else is safe from any thread.

    Args:
        settings: whether there is to be one, and where its data lie.
        clock: for what is shown; patience is measured by the machine's own clock.
        command: starts the server, with `--home` and `--parent` after it.

    Attributes:
        awake: set when the next look is wanted now.
        socket: where it answers.
    """

    def __init__(self, settings: Settings, clock: Clock, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self._home = settings.layout
        self._idle_seconds = settings.experiments_idle_seconds
        self._clock = clock
        self.awake = threading.Event()
        self._absence = _absence(settings)
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._users = 0
        self._wanted_at: float | None = None
        self._restarts = 0
        self._failures = 0
        self._next_start = 0.0
        self._message = "nobody has asked for it yet"
        self.socket = self._home.sockets / "mlflow.sock"
        self.log = self._home.logs / "mlflow.log"

    def measured(self) -> TrackingServerState:
        """How it stands, with what it takes of memory: the kernel needs milliseconds to add that up."""
        state = self.state()
        return state if state.pid is None else replace(state, memory_bytes=_memory_bytes(state.pid))

    def state(self) -> TrackingServerState:
        """How it stands; looks at its process."""
        if self._absence is not None:
            return self._absence
        with self._lock:
            process, message, restarts = self._process, self._message, self._restarts
            is_given_up = self._failures >= _MOST_FAILURES
            is_wanted = self._wanted_at is not None
        if process is None or process.popen.poll() is not None:
            if is_given_up:
                return TrackingServerState(status=TrackingStatus.FAILED, message=message, restarts=restarts)
            status = TrackingStatus.STARTING if is_wanted else TrackingStatus.STOPPED
            return TrackingServerState(status=status, message=message, restarts=restarts)
        is_running = process.start_seconds is not None
        return TrackingServerState(
            status=TrackingStatus.RUNNING if is_running else TrackingStatus.STARTING,
            message="it answers" if is_running else "its process does not answer yet",
            pid=process.popen.pid,
            started_at=process.started_at,
            start_seconds=process.start_seconds,
            restarts=restarts,
        )

    @contextmanager
    def demand(self) -> Iterator[None]:
        """It is wanted: started if need be, and not ended meanwhile. One that was given up is tried again."""
        now = time.monotonic()
        with self._lock:
            self._users += 1
            self._wanted_at = now
            if self._failures >= _MOST_FAILURES and now >= self._next_start:
                self._failures = 0
            is_there = self._process is not None and self._process.popen.poll() is None
        if not is_there:
            self.awake.set()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                self._wanted_at = time.monotonic()

    def look(self) -> None:
        """One round of the duty: start it, prove that it answers, notice its end, or end it."""
        if self._absence is not None:
            return
        process = self._process
        if process is not None and (code := process.popen.poll()) is not None:
            self._note_end(process, code)
            process = None
        if process is None:
            if self._is_wanted():
                self._start()
        elif process.start_seconds is None:
            self._prove(process)
        elif self._is_idle():
            self._end(process, "nobody has asked for it for a while")

    def pause_seconds(self) -> float:
        """Until the next look."""
        is_settled = self._process is None or self._process.start_seconds is not None
        return IDLE_LOOK_SECONDS if is_settled and not (self._process is None and self._is_wanted()) else LOOK_SECONDS

    def _is_wanted(self) -> bool:
        with self._lock:
            is_due = self._wanted_at is not None and time.monotonic() >= self._next_start
            return is_due and self._failures < _MOST_FAILURES

    def _is_idle(self) -> bool:
        with self._lock:
            wanted_at = self._wanted_at or 0.0
            return self._users == 0 and time.monotonic() - wanted_at > self._idle_seconds

    def _start(self) -> None:
        self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            popen = subprocess.Popen(
                [*self._command, "--home", str(self._home.root), "--parent", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        with self._lock:
            self._process = _Process(popen, self._clock.now(), time.monotonic())

    def _prove(self, process: _Process) -> None:
        seconds = time.monotonic() - process.since
        if _answers(self.socket):
            process.start_seconds = round(seconds, 1)
            _log.info("tracking server runs", pid=process.popen.pid, start_seconds=process.start_seconds)
        elif seconds > START_SECONDS:
            process.popen.kill()

    def _note_end(self, process: _Process, code: int) -> None:
        lived_long = time.monotonic() - process.since > _STABLE_SECONDS and process.start_seconds is not None
        message = f"its process ended with code {code}: {_tail(self.log)}"
        _log.warning("tracking server ended", code=code, log=str(self.log))
        with self._lock:
            self._failures = 1 if lived_long else self._failures + 1
            self._restarts += 1
            self._next_start = time.monotonic() + min(_MAX_PAUSE_SECONDS, 0.5 * 4 ** (self._failures - 1))
            self._message = message
            self._process = None
            if self._failures >= _MOST_FAILURES:
                self._wanted_at = None

    def _end(self, process: _Process, why: str) -> None:
        process.popen.terminate()
        try:
            process.popen.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            process.popen.wait()
        with self._lock:
            self._process, self._message = None, why
            if self._users == 0:
                self._wanted_at = None


def is_installed() -> bool:
    """Whether MLflow with its server is in this environment; `mlflow-skinny`, which has none, is another package."""
    try:
        importlib.metadata.version("mlflow")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _absence(settings: Settings) -> TrackingServerState | None:
    """Why there is none, if that is so."""
    if not settings.experiments:
        return TrackingServerState(
            status=TrackingStatus.OFF, message="experiments are switched off (MODELYARD_EXPERIMENTS)"
        )
    if not is_installed():
        return TrackingServerState(status=TrackingStatus.MISSING, message="the extra `mlflow` is not installed")
    return None


def _answers(socket: Path) -> bool:
    if not listens(socket):
        return False
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket), verify=False), timeout=5.0) as client:
            return client.get("http://mlflow/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _memory_bytes(pid: int) -> int | None:
    """What it takes of the machine's memory: pages that it shares count by their share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError), log.open(errors="replace") as lines:
        return " | ".join(line.strip() for line in deque(lines, maxlen=_TAIL_LINES))
    return ""
