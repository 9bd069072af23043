"""A platform of the quickstart's own: started in its own state directory, on a port that the system chooses."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client

START_SECONDS = 60.0
STOP_SECONDS = 40.0
_MARK = "quickstart"


class QuickstartError(ModelyardError):
    """A step's own check did not hold."""

    code = "quickstart_failed"


def start_platform(home: Path) -> Client:
    """Start from nothing; the client of the new platform. An earlier quickstart in the same place is ended and removed.

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
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "modelyard.server.up", "--home", str(home), "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # it goes on when the quickstart ends
        )
    deadline = time.monotonic() + START_SECONDS
    while "is ready" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise QuickstartError(f"The platform did not start: {log.read_text().strip()}", hint=f"See {home}/logs.")
        time.sleep(0.05)
    return Client(home=home, token=(home / "admin.token").read_text().strip())


def stop_platform(home: Path) -> None:
    """End the platform that runs in `home`, if one does."""
    try:
        pid = int((home / "run" / "platform.lock").read_text())
        is_ours = str(home).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if not is_ours:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # it may be our own child
        time.sleep(0.05)
