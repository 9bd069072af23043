"""Server programs started the way users start them, each in a process of its own and ended by its pid."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, TypeVar

Found = TypeVar("Found")

START_SECONDS = 180.0
STOP_SECONDS = 60.0


class Program:
    """`python -m MODULE OPTIONS --home HOME`, whose output is in the file `<home>.log`."""

    def __init__(self, home: Path, *command: str, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.command = [sys.executable, "-m", *command, "--home", str(home)]
        self.log = home.with_name(f"{home.name}.log")
        self.environment = _clean_environment() | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0

    def start(self, *options: str) -> Self:
        """Start it; wait with `ready`."""
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def ready(self, words: str = "is ready at ") -> str:
        """The address in the ready line, once it is there."""
        line = self.wait_for_line(words)
        return line.partition(words)[2].split()[0]

    def wait_for_line(self, words: str) -> str:
        """The first line since the last start that has `words`."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            found = next((line for line in self.output().splitlines() if words in line), None)
            if found is not None:
                return found
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.command} does not say '{words}':\n{self.output()}")
            time.sleep(0.05)

    def output(self) -> str:
        """What it printed since the last start."""
        return self.log.read_bytes()[self._seen :].decode()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The one that was started last."""
        if self._process is None:
            raise AssertionError("it was never started")
        return self._process

    @property
    def token(self) -> str:
        """The administrator's."""
        return (self.home / "admin.token").read_text().strip()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def end(self) -> None:
        """Whatever state it is in: nothing of it is left afterwards."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        end_processes_of(self.home)


def processes_of(home: Path) -> dict[int, str]:
    """Pid -> command line of every process that has the path of `home` in its command line, variables or folder."""
    wanted = os.fsencode(home)
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            everything = words + b"\0" + (folder / "environ").read_bytes() + os.fsencode((folder / "cwd").readlink())
        except OSError:  # it ended, or it is another user's
            continue
        if wanted in everything and int(folder.name) != os.getpid():
            found[int(folder.name)] = words.replace(b"\0", b" ").decode(errors="replace")
    return found


def end_processes_of(home: Path) -> None:
    """SIGKILL, until there is none."""
    deadline = time.monotonic() + STOP_SECONDS
    while (left := processes_of(home)) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def kill(home: Path, module: str) -> int:
    """SIGKILL to the one process of `home` that runs a module, not to what wraps it; its pid."""
    words = f"{sys.executable} -m {module}"
    (pid,) = [pid for pid, command in processes_of(home).items() if command.startswith(words)]
    os.kill(pid, signal.SIGKILL)
    return pid


def until(look: Callable[[], Found], what: str, seconds: float = 120.0) -> Found:
    """Wait until `look()` is true, or there is something that it finds; what it found."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
    return found


def _clean_environment() -> dict[str, str]:
    """Ours without settings of the developer who runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
