"""A platform of the quickstart's own: started in its own state directory, on a port that the system chooses."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from modelyard.engines.choice import open_engine
from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.server.children import end_left_over
from modelyard.server.state.remains import end_processes
from modelyard.settings import Settings
from modelyard.types.processes import EngineKind

START_SECONDS = 180.0
STOP_SECONDS = 90.0
STALE_SECONDS = 4.0
_MARK = "quickstart"


class QuickstartError(ModelyardError):
    """A step's own check did not hold."""

    code = "quickstart_failed"


def start_platform(home: Path, options: Sequence[str] = ()) -> Client:
    """Start from nothing; the client of the new platform. An earlier quickstart in the same place is ended and removed.

    Args:
        home: state directory.
        options: further ones of `modelyard up`.

    Raises:
        QuickstartError: `home` holds something else, or the platform did not start.
    """
    if home.exists() and any(home.iterdir()) and not (home / _MARK).exists():
        raise QuickstartError(
            f"{home} holds something that no quickstart has made", hint="Give another folder with --home."
        )
    stop_platform(home)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700, parents=True)
    (home / _MARK).touch()
    log = home / "up.log"
    own = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "modelyard.server.up", "--home", str(home), "--port", "0", *options],
            env=own,  # settings of another platform, its database say, are none of the quickstart's
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # it goes on when the quickstart ends
        )
    try:
        _wait_until_ready(process, log)
    except BaseException:  # an interruption too: what is half started would never be found again
        process.terminate()
        process.wait()
        raise
    return Client(home=home, token=(home / "admin.token").read_text().strip())


def stop_platform(home: Path) -> None:
    """End the platform that a quickstart has started in `home`, and what is left of one that was killed."""
    if not (home / _MARK).exists():
        return
    pid = _supervisor(home)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _supervisor(home) == pid and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # it may be our own child
            time.sleep(0.05)
    layout = Settings(home=home).layout
    end_left_over(layout)
    if layout.processes.exists():
        end_processes(open_engine(Settings(home=home, engine=EngineKind.LOCAL)), STALE_SECONDS)


def _wait_until_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "is ready" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise QuickstartError(
                f"The platform did not start: {log.read_text().strip()}", hint=f"See {log.parent / 'logs'}."
            )
        time.sleep(0.05)


def _supervisor(home: Path) -> int | None:
    """Pid of the running supervisor; a pid alone may be another program's by now."""
    try:
        pid = int((home / "run" / "platform.lock").read_text())
        is_ours = os.fsencode(home) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if is_ours else None
