"""up, down, status, doctor, serve: the platform itself."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from modelyard.cli.command import command
from modelyard.cli.session import Session
from modelyard.errors import ModelyardError, NotFoundError, TemporaryError
from modelyard.types.experiments.tracking import TrackingServerState

if TYPE_CHECKING:
    from modelyard.sdk.client import Client

PANEL = "Platform"
T = TypeVar("T")
_STOP_SECONDS = 60.0

Host = Annotated[str | None, typer.Option(help="Address to listen on; loopback if left out.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Certificate = Annotated[Path | None, typer.Option(help="PEM file; needed to listen beyond loopback.")]
Key = Annotated[Path | None, typer.Option(help="PEM file of the certificate's private key.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Listen beyond loopback without TLS (behind a proxy).")]


class StopFailedError(TemporaryError):
    """The platform did not end in time."""

    code = "stop_failed"


@dataclass(frozen=True, slots=True)
class _State:
    pid: int
    processes: dict[str, int | None] = field(default_factory=dict)


def declare(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "up", panel=PANEL)(up)
    command(app, "down", panel=PANEL)(down)
    command(app, "status", panel=PANEL)(status)
    command(app, "doctor", panel=PANEL)(doctor)
    command(app, "serve", panel=PANEL)(serve)


def up(
    session: Session,
    host: Host = None,
    port: Port = None,
    grpc_port: Annotated[
        int | None, typer.Option(help="Port for gRPC (needs the extra `grpc`); 0 lets the system choose, -1: none.")
    ] = None,
    gateways: Annotated[
        int | None, typer.Option(help="Gateway processes that share the port, on machines with many cores.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Where processes run: local, container, or ray (a cluster).")
    ] = None,
    container_socket: Annotated[
        str | None, typer.Option(help="API of Docker or Podman; DOCKER_HOST or the usual places if left out.")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="host:port of the cluster's head; that of `modelyard cluster start` if left out.")
    ] = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    insecure: Insecure = False,
) -> None:
    """Run the whole platform on this machine, in the foreground; Ctrl-C stops it."""
    options = {
        "--home": session.home,
        "--host": host,
        "--port": port,
        "--grpc-port": grpc_port,
        "--gateways": gateways,
        "--engine": engine,
        "--container-socket": container_socket,
        "--ray-address": ray_address,
        "--tls-certificate": tls_certificate,
        "--tls-key": tls_key,
    }
    _become("modelyard.server.up", [*_given(options), *(["--insecure"] if insecure else [])])


def serve(
    session: Session,
    application: Annotated[str, typer.Argument(help="registry, jobs or operations.")],
    database: Annotated[
        str | None, typer.Option(help="SQLAlchemy URL; SQLite in the state directory if left out.")
    ] = None,
    objects: Annotated[
        str | None, typer.Option(help="Object store URL; files in the state directory if left out.")
    ] = None,
    registry: Annotated[str | None, typer.Option(help="Address of the Registry.")] = None,
    jobs: Annotated[str | None, typer.Option(help="Address of the Jobs application.")] = None,
    host: Host = None,
    port: Port = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    insecure: Insecure = False,
) -> None:
    """Run one application alone, on its own database; the others are called over HTTP."""
    options = {
        "--home": session.home,
        "--database": database,
        "--objects": objects,
        "--registry": registry,
        "--jobs": jobs,
        "--host": host,
        "--port": port,
        "--tls-certificate": tls_certificate,
        "--tls-key": tls_key,
    }
    _become("modelyard.server.serve", [application, *_given(options), *(["--insecure"] if insecure else [])])


def down(session: Session) -> None:
    """Stop the platform of a state directory, with everything that it runs."""
    home = _home(session)
    state = _running(home)
    if state is None:
        ended = _end_remains(session)
        words = f" Ended {ended} jobs and replicas that one had left behind; the next start takes them up again."
        session.out.done({"stopped": False, "ended": ended}, f"No platform runs in {home}.{words if ended else ''}")
        return
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    with session.out.waiting("Stopping"):
        while _is_platform(state.pid):
            if time.monotonic() > deadline:
                raise StopFailedError(
                    f"the platform (process {state.pid}) has not ended within {_STOP_SECONDS:.0f} s",
                    hint=f"See {home / 'logs'}; `kill -9 {state.pid}` ends it, the next start cleans up.",
                )
            time.sleep(0.05)
    session.out.done({"stopped": True, "pid": state.pid}, f"Stopped the platform in {home}.")


def status(session: Session) -> None:
    """Is the platform running, where, and what does it do?"""
    home = _home(session)
    state = _running(home)
    local, local_shown = _processes(home, state)
    client = session.client
    try:
        with suppress(NotFoundError):  # `modelyard serve` runs one application; what the others know is left out
            client.tokens.whoami()  # proves that it answers, and that the token is good
    except TemporaryError:
        if state is not None:
            session.out.record(local, local_shown)  # what can be seen from here all the same
        raise
    endpoints = _there(client.endpoints.list())
    jobs = [job for job in _there(client.jobs.list()) if not job.status.is_final]
    experiments = _experiments(client)
    found = {
        "url": client.url,
        **local,
        "endpoints": {endpoint.name: endpoint.status for endpoint in endpoints},
        "jobs": {job.id: job.status for job in jobs},
        "experiments": experiments,
    }
    shown = {
        "Address": client.url,
        "API pages": f"{client.url}/",
        **local_shown,
        "Endpoints": [f"{endpoint.name} {endpoint.status}" for endpoint in endpoints] or "none",
        "Jobs under way": [f"{job.id} {job.status}" for job in jobs] or "none",
        "Experiments": f"MLflow {experiments.status}: {experiments.message}" if experiments else "",
    }
    session.out.record(found, shown)


def doctor(session: Session) -> None:
    """What is missing on this machine, and what to do about it. Exit code 1 if something will not work."""
    from modelyard.server.arguments import read_settings  # noqa: PLC0415 - the server's side, only needed here
    from modelyard.server.doctor.examination import examine  # noqa: PLC0415 - the same
    from modelyard.server.doctor.findings import FindingStatus  # noqa: PLC0415 - the same

    findings = examine(read_settings({"home": session.home}))
    columns = {
        "": lambda finding: finding.status.value,
        "Check": lambda finding: finding.name,
        "Found": lambda finding: finding.message,
        "Do": lambda finding: finding.advice,
    }
    session.out.table(findings, columns, empty="Nothing was looked at.")
    if any(finding.status is FindingStatus.FAIL for finding in findings):
        raise typer.Exit(1)


def _end_remains(session: Session) -> int:
    from modelyard.server.arguments import read_settings  # noqa: PLC0415 - the server's side, only needed here
    from modelyard.server.state.remains import end_remains  # noqa: PLC0415 - the same

    return end_remains(read_settings({"home": session.home}))


def _processes(home: Path, state: _State | None) -> tuple[dict[str, object], dict[str, object]]:
    """What the supervisor of a state directory has written down, for programs and for people."""
    if state is None:
        return {"home": str(home), "pid": None, "processes": {}}, {}
    names = [f"{name} {pid}" if pid else f"{name} starts again" for name, pid in state.processes.items()]
    found = {"home": str(home), "pid": state.pid, "processes": state.processes}
    return found, {"State": home, "Processes": names}


def _experiments(client: "Client") -> TrackingServerState | None:
    try:
        return client.experiments.server()
    except NotFoundError:  # Jobs do not run here
        return None


def _there(items: Iterator[T]) -> list[T]:
    """All of them; none if their application does not run here."""
    try:
        return [*items]
    except NotFoundError:
        return []


def _become(module: str, arguments: list[str]) -> None:
    """Replace this process: signals, exit code and output are then the program's own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell


def _given(options: Mapping[str, object]) -> list[str]:
    return [part for name, value in options.items() if value is not None for part in (name, str(value))]


def _home(session: Session) -> Path:
    from modelyard.sdk.connection import home_folder  # noqa: PLC0415 - imports httpx

    return session.home or home_folder()


def _running(home: Path) -> _State | None:
    try:
        content = json.loads((home / "run" / "platform.json").read_bytes())
        state = _State(int(content["pid"]), content.get("processes", {}))
    except OSError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelyardError(f"{home}/run/platform.json is damaged: {error}", hint="Remove it.") from error
    return state if _is_platform(state.pid) else None


def _is_platform(pid: int) -> bool:
    """Whether the process lives and is a supervisor: a pid alone may be another program's by now."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"modelyard.server" in command_line and stat.rpartition(")")[2].split()[0] != "Z"
