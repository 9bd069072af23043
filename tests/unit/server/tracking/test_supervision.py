"""MLflow's server as the platform keeps it, with a small program in its place."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.kit.clock import SystemClock
from modelyard.server.tracking import supervision
from modelyard.server.tracking.supervision import TrackingSupervisor
from modelyard.server.tracking.surroundings import database_url, environment
from modelyard.settings import Settings
from modelyard.types.experiments.tracking import TrackingStatus

ANSWERS = """
import http.server, socketserver, sys
class Server(socketserver.UnixStreamServer):
    def get_request(self):
        return self.socket.accept()[0], ("", 0)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")
Server(sys.argv[1], Handler).serve_forever()
"""
DIES = "import sys; print('no disk', flush=True); sys.exit(3)"


class Kept:
    """A supervisor whose duty runs in a thread."""

    def __init__(self, folder: Path, program: str, **settings: object) -> None:
        home = Settings(home=folder, **settings)
        home.layout.create()
        socket = str(home.layout.sockets / "mlflow.sock")
        self.supervisor = TrackingSupervisor(home, SystemClock(), (sys.executable, "-c", program, socket))
        self._is_over = False
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._is_over:
            self.supervisor.look()
            time.sleep(0.02)

    def until(self, look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not look():
            assert time.monotonic() < deadline, self.supervisor.state()
            time.sleep(0.02)

    def is_(self, status: TrackingStatus) -> Callable[[], bool]:
        return lambda: self.supervisor.state().status is status

    def close(self) -> None:
        self._is_over = True
        self._thread.join()
        if process := self.supervisor._process:
            process.popen.kill()
            process.popen.wait()


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Kept]]:
    monkeypatch.setattr(supervision, "is_installed", lambda: True)
    made: list[Kept] = []

    def make(program: str, **settings: object) -> Kept:
        made.append(Kept(tmp_path / "home", program, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_it_is_started_when_somebody_asks_and_again_when_it_dies(keep: Callable[..., Kept]):
    kept = keep(ANSWERS)
    assert kept.supervisor.state().status is TrackingStatus.STOPPED
    with kept.supervisor.demand():
        kept.until(kept.is_(TrackingStatus.RUNNING))
    first = kept.supervisor.measured()
    assert first.memory_bytes > 0
    assert first.start_seconds is not None
    os.kill(first.pid, signal.SIGKILL)
    kept.until(lambda: kept.supervisor.state().pid not in (None, first.pid))
    kept.until(kept.is_(TrackingStatus.RUNNING))
    assert kept.supervisor.state().restarts == 1


def test_it_is_ended_when_nobody_has_asked_for_a_while_but_not_under_a_user(keep: Callable[..., Kept]):
    kept = keep(ANSWERS, experiments_idle_seconds=0.2)
    with kept.supervisor.demand():
        kept.until(kept.is_(TrackingStatus.RUNNING))
        pid = kept.supervisor.state().pid
        time.sleep(0.5)
        assert kept.supervisor.state().pid == pid
    kept.until(kept.is_(TrackingStatus.STOPPED))
    assert not Path(f"/proc/{pid}").exists()
    with kept.supervisor.demand():
        kept.until(kept.is_(TrackingStatus.RUNNING))


def test_one_that_cannot_start_is_given_up_with_its_last_words(keep: Callable[..., Kept]):
    kept = keep(DIES)
    with kept.supervisor.demand():
        kept.until(kept.is_(TrackingStatus.FAILED))
    state = kept.supervisor.state()
    assert "code 3" in state.message
    assert "no disk" in state.message
    assert state.pid is None


def test_what_is_off_or_not_installed_says_so(tmp_path: Path):
    off = TrackingSupervisor(Settings(home=tmp_path, experiments=False), SystemClock())
    assert off.state().status is TrackingStatus.OFF
    off.look()
    assert off.state().pid is None


def test_without_the_extra_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervision, "is_installed", lambda: False)
    missing = TrackingSupervisor(Settings(home=tmp_path), SystemClock())
    assert missing.state().status is TrackingStatus.MISSING


def test_its_tables_lie_beside_ours_and_apart_from_them(tmp_path: Path):
    assert database_url(Settings(home=tmp_path)) == f"sqlite:///{tmp_path}/mlflow.db"
    url = database_url(Settings(home=tmp_path, database_url="postgresql://me@host/yard"))
    assert url == "postgresql+psycopg://me@host/yard?options=-csearch_path%3Dmlflow"
    url = database_url(Settings(home=tmp_path, database_url="postgresql+psycopg://me@host/yard?sslmode=require"))
    assert url == "postgresql+psycopg://me@host/yard?sslmode=require&options=-csearch_path%3Dmlflow"


def test_parts_that_run_code_or_report_home_are_off(tmp_path: Path):
    found = environment(Settings(home=tmp_path, registry_url="https://registry.example"))
    assert found["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert found["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert found["MODELYARD_TRACKING_PLATFORM"] == "https://registry.example"
