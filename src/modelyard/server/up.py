"""`modelyard up`: run the whole platform on this machine, in the foreground, and end all of it on SIGINT or SIGTERM.

Supervises two processes, control and gateway, each of which may crash and is started again. Training jobs and replicas
are the engine's: they outlive a crash of anything here, and end with a clean stop.
"""

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from modelyard.dataplane.gateway.config import is_loopback
from modelyard.engines.local.engine import LocalEngine
from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.kit.files import write_atomic
from modelyard.kit.locks import FileLock
from modelyard.server.gateway import write_config
from modelyard.server.names import APPLICATIONS
from modelyard.settings import Home, Settings

STABLE_SECONDS = 10.0
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


class ListenRefusedError(InvalidInputError):
    """Listening beyond loopback in clear text, without having been told to."""

    code = "listen_refused"


class Child:
    """One supervised process: started again with a growing pause while it keeps crashing."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._pause_seconds = 0.1
        self._started_at = 0.0
        self._restart_at = 0.0

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def keep_alive(self) -> None:
        """Start it if it does not run and its pause is over."""
        if self.pid is not None:
            return
        now = time.monotonic()
        if self._process is not None:
            _say(f"{self.name} ended with code {self._process.returncode}; starting it again. Its log: {self._log}")
            lived_long = now - self._started_at > STABLE_SECONDS
            self._pause_seconds = 0.1 if lived_long else min(5.0, self._pause_seconds * 2)
            self._restart_at = now + self._pause_seconds
            self._process = None
        if now >= self._restart_at:
            self._start()

    def stop(self, patience_seconds: float) -> None:
        """SIGTERM, then SIGKILL for one that does not end."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the others in order
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - this program has one thread
            )


class Supervisor:
    """A platform, or the part of it that `applications` names, as one foreground program."""

    def __init__(self, settings: Settings, applications: tuple[str, ...]) -> None:
        self._settings = settings
        self._applications = applications
        self._home = settings.layout
        self._is_stopping = False

    def run(self) -> None:
        """Until a signal says stop.

        Raises:
            ListenRefusedError: the address is not loopback and there is neither TLS nor --insecure.
            ResourceBusyError: another platform runs in this state directory.
        """
        check_listen(self._settings)
        self._home.create()
        with FileLock(self._home.run / "platform.lock", "Modelyard already runs in this state directory"):
            signal.signal(signal.SIGTERM, self._on_signal)
            signal.signal(signal.SIGINT, self._on_signal)
            self._remove_stale()
            children = self._children()
            try:
                self._start(children)
                while not self._is_stopping:
                    for child in children:
                        child.keep_alive()
                    self._write_state(children)
                    time.sleep(0.05)
            finally:
                self._stop(children)

    def _children(self) -> list[Child]:
        write_config(self._settings)
        environment = {
            **os.environ,
            **{f"MODELYARD_{name.upper()}": value for name, value in _plain(self._settings).items()},
        }
        programs = {
            "control": (
                *("modelyard.server.control", "--home", str(self._home.root)),
                *("--applications", ",".join(self._applications)),
            ),
            "gateway": ("modelyard.server.gateway", "--home", str(self._home.root)),
        }
        return [
            Child(
                name,
                [sys.executable, "-m", *program],
                environment,
                self._home.logs / f"{name}.log",
            )
            for name, program in programs.items()
        ]

    def _start(self, children: list[Child]) -> None:
        is_new = not self._home.token.exists()
        deadline = time.monotonic() + START_SECONDS
        while not self._is_stopping and not (url := ready_url(self._home)):
            for child in children:
                child.keep_alive()
            if time.monotonic() > deadline:
                logs = ", ".join(str(self._home.logs / f"{child.name}.log") for child in children)
                raise ModelyardError(f"The platform did not become ready in {START_SECONDS:.0f} s", hint=f"See {logs}.")
            time.sleep(0.05)
        if self._is_stopping:
            return
        self._write_state(children)
        if is_new:
            _say(f"Admin token, shown this once and kept in {self._home.token}: {self._home.token.read_text().strip()}")
        _say(f"API pages: {url}/")
        _say(f"Modelyard is ready at {url}  (stop: Ctrl-C or `modelyard down --home {self._home.root}`)")

    def _stop(self, children: list[Child]) -> None:
        _say("Stopping: the gateway answers what it holds, then everything ends.")
        for child in reversed(children):
            child.stop(STOP_SECONDS)
        end_processes(self._home)
        self._remove_stale()
        (self._home.run / "platform.json").unlink(missing_ok=True)

    def _write_state(self, children: list[Child]) -> None:
        state = {"pid": os.getpid(), "processes": {child.name: child.pid for child in children}}
        path = self._home.run / "platform.json"
        content = json.dumps(state).encode()
        if not path.exists() or path.read_bytes() != content:
            write_atomic(path, content)

    def _remove_stale(self) -> None:
        """What an earlier run left behind when it was killed."""
        (self._home.run / "gateway.json").unlink(missing_ok=True)
        (self._home.sockets / "control.sock").unlink(missing_ok=True)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True


def check_listen(settings: Settings) -> None:
    """Refuse to send tokens in clear text over a network.

    Raises:
        ListenRefusedError: not loopback, no TLS, no --insecure.
    """
    if is_loopback(settings.host) or settings.insecure or (settings.tls_certificate and settings.tls_key):
        return
    raise ListenRefusedError(
        f"Refusing to listen on {settings.host} without TLS: tokens and data would cross the network in clear text",
        hint="Give --tls-certificate and --tls-key, or --insecure behind a proxy that does TLS.",
        field="host",
    )


def ready_url(home: Home) -> str | None:
    """The platform's address once it answers, else None."""
    import httpx  # noqa: PLC0415 - 0.1 s that the signal handlers above should not wait for

    try:
        url = str(json.loads((home.run / "gateway.json").read_bytes())["url"])
        answers = [httpx.get(f"{url}{path}", timeout=2.0, verify=False) for path in ("/v2/health/ready", "/health")]  # noqa: S501 - our own certificate
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url if all(answer.status_code == httpx.codes.OK for answer in answers) else None


def end_processes(home: Home, patience_seconds: float = STOP_SECONDS) -> None:
    """End every job and replica; jobs are marked PREEMPTED, so the next start takes them up again."""
    engine = LocalEngine(home)
    alive = [state.id for state in engine.list() if state.is_alive]
    for process_id in alive:
        engine.stop(process_id, grace_seconds=patience_seconds / 2, is_preemption=True)
    deadline = time.monotonic() + patience_seconds
    for process_id in alive:
        engine.wait(process_id, max(0.1, deadline - time.monotonic()))
    engine.reap()


def _plain(settings: Settings) -> dict[str, str]:
    """The settings that were given, as environment variables for the children."""
    given = settings.model_dump(exclude_unset=True, exclude={"service_token"}, mode="json")
    values = {name: str(value) for name, value in given.items() if value is not None}
    return {**values, "home": str(settings.layout.root)}


def _end_with_parent() -> None:
    """In the child: be sent SIGTERM when the supervisor is gone, however it went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def parse_settings(arguments: list[str] | None = None) -> Settings:
    """Settings from the command line of the server programs."""
    parser = argparse.ArgumentParser(prog="modelyard up", description="Run the whole platform on this machine.")
    parser.add_argument("--home", type=Path, help="state directory")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port; 0 lets the system choose")
    parser.add_argument("--tls-certificate", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--insecure", action="store_true", default=None)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    return Settings(**given)


def main() -> None:
    """Entry point."""
    try:
        Supervisor(parse_settings(), APPLICATIONS).run()
    except ModelyardError as error:
        sys.exit(f"{error.message}. {error.hint}")


if __name__ == "__main__":
    main()
