"""`modelyard up`: run the whole platform on this machine, in the foreground, and end all of it on SIGINT or SIGTERM.

Supervises control and one or more gateways, each of which may crash and is started again by itself. Training jobs and
replicas are the engine's: they outlive a crash of anything here, and end with a clean stop.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from types import FrameType

from pydantic import SecretStr

from modelyard.dataplane.gateway.config import is_loopback
from modelyard.engines.choice import open_engine
from modelyard.errors import ConflictError, InvalidInputError, ModelyardError, TemporaryError
from modelyard.kit.addresses import bound_socket
from modelyard.kit.files import is_disk_full, write_atomic
from modelyard.protocols.open_inference.grpc.available import is_installed
from modelyard.server.arguments import add_listen_options, read_settings
from modelyard.server.children import Child, end_left_over
from modelyard.server.engines import check_engine
from modelyard.server.exits import leave
from modelyard.server.gateway import address_file, write_configs
from modelyard.server.names import APPLICATIONS
from modelyard.server.state.lock import PlatformLock
from modelyard.server.state.remains import STOP_SECONDS, end_processes, engine_settings
from modelyard.settings import Home, Settings
from modelyard.storage.database import parse_url
from modelyard.types.processes import EngineKind

START_SECONDS = 180.0


class ListenRefusedError(InvalidInputError):
    """Listening beyond loopback in clear text, without having been told to."""

    code = "listen_refused"


class PortTakenError(ConflictError):
    """Something else listens there."""

    code = "port_taken"


class StartFailedError(ModelyardError):
    """The platform does not answer, though its processes were started."""

    code = "start_failed"


class Supervisor:
    """A platform, or the part of it that `applications` names, as one foreground program.

    With "operations" there is a gateway in front of control; without, control listens itself.
    """

    def __init__(self, settings: Settings, applications: tuple[str, ...]) -> None:
        self._settings = settings
        self._applications = applications
        self._home = settings.layout
        self._environment = {
            **os.environ,
            **{f"MODELYARD_{name.upper()}": value for name, value in _plain(settings).items()},
        }
        self._gateways: list[str] = []
        self._is_stopping = False
        self._unwritten: OSError | None = None  # why its state could not be written down

    def run(self) -> None:
        """Until a signal says stop.

        Raises:
            ListenRefusedError: the address is not loopback and there is neither TLS nor --insecure.
            ResourceBusyError: another platform runs in this state directory.
            PortTakenError: something else listens at the address.
            DatabaseUrlInvalidError: the database can be none that the platform works on.
            EngineNotReadyError: the engine cannot run anything.
            StartFailedError: it did not become ready.
            StateDirectoryUnusableError: it cannot work there.
        """
        check_listen(self._settings)
        self._home.create()
        with PlatformLock(self._home, "Modelyard already runs in this state directory"):
            signal.signal(signal.SIGTERM, self._on_signal)
            signal.signal(signal.SIGINT, self._on_signal)
            end_left_over(self._home)
            self._remove_stale()
            self._home.create()
            check_port(self._settings.host, self._settings.port)
            if self._has_gateway and self._settings.grpc_port > 0:
                check_port(self._settings.host, self._settings.grpc_port, "grpc-port")
            parse_url(self._settings.resolved_database_url)
            check_engine(self._settings)
            held = self._hold_ports()
            with self._told():
                children = self._children()
            try:
                with self._told():
                    self._start(children)
                    while not self._is_stopping:
                        self._keep_alive(children)
                        time.sleep(0.05)
            finally:
                self._stop(children)
                for each in held:
                    each.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What cannot be written in the state directory is told of it."""
        try:
            yield
        except OSError as error:
            if error.filename is None and not is_disk_full(error):
                raise
            raise self._home.unusable(error) from error

    @property
    def _has_gateway(self) -> bool:
        return "operations" in self._applications

    def _children(self) -> list[Child]:
        control = ["--applications", ",".join(self._applications)]
        if not self._has_gateway:
            return [Child("control", [*control, "--tcp"], self._environment, self._home)]
        self._gateways = write_configs(self._settings)
        return [
            Child("control", control, self._environment, self._home),
            *(Child("gateway", ["--name", name], self._environment, self._home, name) for name in self._gateways),
        ]

    def _hold_ports(self) -> list[socket.socket]:
        """Have the ports that several gateways share for as long as the platform runs, without listening there.

        So all of them know from the start what the system chose, and nobody else gets it while they are away.
        """
        if not self._has_gateway or self._settings.gateways == 1:
            return []
        held = {"port": bound_socket(self._settings.host, self._settings.port, is_shared=True)}
        if self._settings.grpc_port >= 0 and is_installed():
            held["grpc_port"] = bound_socket(self._settings.host, self._settings.grpc_port, is_shared=True)
        ports = {name: each.getsockname()[1] for name, each in held.items()}
        self._settings = self._settings.model_copy(update=ports)
        return list(held.values())

    def _keep_alive(self, children: list[Child]) -> None:
        for child in children:
            words = child.keep_alive()
            if words:
                _say(words)
        self._write_state(children)

    def _start(self, children: list[Child]) -> None:
        is_new = "registry" in self._applications and not self._home.token.exists()
        deadline = time.monotonic() + START_SECONDS
        while not ((url := ready_url(self._home, has_gateway=self._has_gateway)) and self._have_all_announced()):
            if self._is_stopping:
                return
            self._keep_alive(children)
            if self._unwritten is not None:  # nothing runs yet that would have to go on
                raise self._unwritten
            if time.monotonic() > deadline:
                logs = ", ".join(str(child.log) for child in children)
                raise StartFailedError(
                    f"The platform did not become ready in {START_SECONDS:.0f} s", hint=f"See {logs}."
                )
            time.sleep(0.05)
        self._keep_port(int(url.rsplit(":", 1)[1]))
        if is_new:
            _say(f"Admin token, shown this once and kept in {self._home.token}: {self._home.token.read_text().strip()}")
        _say(f"API pages: {url}/")
        _say(f"Modelyard is ready at {url}  (stop: Ctrl-C or `modelyard down --home {self._home.root}`)")

    def _have_all_announced(self) -> bool:
        return all(address_file(self._home.root, name).exists() for name in self._gateways)

    def _keep_port(self, port: int) -> None:
        """Ports that the system chose stay the platform's, also when the process that listens is started again."""
        self._environment["MODELYARD_PORT"] = str(port)
        if self._has_gateway:
            address = json.loads((self._home.run / "gateway.json").read_bytes())
            ports = {"port": port, "grpc_port": address.get("grpc_port", -1)}
            write_configs(self._settings.model_copy(update=ports))

    def _stop(self, children: list[Child]) -> None:
        _say("Stopping: the gateway answers what it holds, then everything ends.")
        control, *gateways = children  # gateways still need control for what they hold
        for group in (gateways, [control]):
            for child in group:
                child.terminate()
            for child in group:
                child.wait(STOP_SECONDS)
        end_left_over(self._home, STOP_SECONDS / 2)
        try:
            end_processes(open_engine(self._settings))
        except (TemporaryError, OSError) as error:  # a cluster that is gone has taken them with it; a disk may be full
            _say(f"Jobs and replicas could not be ended: {error}")
        self._remove_stale()

    def _write_state(self, children: list[Child]) -> None:
        processes = {child.name: child.pid for child in children}
        state = {"pid": os.getpid(), "processes": processes, "settings": engine_settings(self._settings)}
        path = self._home.run / "platform.json"
        content = json.dumps(state).encode()
        if path.exists() and path.read_bytes() == content:
            return
        try:
            write_atomic(path, content)
            self._unwritten = None
        except OSError as error:  # a full disk ends nothing that runs; it is written when there is room again
            if self._unwritten is None:
                _say(self._home.unusable(error).message)
            self._unwritten = error

    def _remove_stale(self) -> None:
        """What says that something runs."""
        for name in ("gateway.json", "platform.json"):
            (self._home.run / name).unlink(missing_ok=True)
        (self._home.sockets / "control.sock").unlink(missing_ok=True)
        self._home.duties.unlink(missing_ok=True)
        shutil.rmtree(self._home.gateways, ignore_errors=True)

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


def check_port(host: str, port: int, option: str = "port") -> None:
    """Find out now, with a clear word, what the listening process would find out later in its log.

    Raises:
        PortTakenError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTakenError(
                f"Cannot listen on {host}, port {port}: {error.strerror or error}",
                hint=f"End what listens there, or give another --{option}; 0 lets the system choose.",
                field=option.replace("-", "_"),
            ) from error


def ready_url(home: Home, *, has_gateway: bool) -> str | None:
    """The platform's address once it answers, else None."""
    import httpx  # noqa: PLC0415 - 0.1 s that the signal handlers above should not wait for

    paths = ("/v2/health/ready", "/health") if has_gateway else ("/health",)
    try:
        url = str(json.loads((home.run / "gateway.json").read_bytes())["url"])
        with httpx.Client(base_url=url, timeout=2.0, trust_env=False, verify=False) as client:  # noqa: S501 - our own
            is_ready = all(client.get(path).status_code == httpx.codes.OK for path in paths)
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url if is_ready else None


def _plain(settings: Settings) -> dict[str, str]:
    """The settings that were given, as environment variables for the children."""
    given = settings.model_dump(exclude_unset=True, exclude={"service_token"}, mode="json")
    values = {name: str(value) for name, value in given.items() if value is not None}
    # A secret shows itself as stars, which are no use to the children.
    secrets = {
        name: value.get_secret_value() for name in given if isinstance(value := getattr(settings, name), SecretStr)
    }
    return {**values, **secrets, "home": str(settings.layout.root)}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="modelyard up", description="Run the whole platform on this machine.")
    add_listen_options(parser)
    parser.add_argument("--grpc-port", type=int, help="port for gRPC; 0 lets the system choose, -1: none")
    parser.add_argument("--engine", choices=[*map(str, EngineKind)], help="where processes run; local if not given")
    parser.add_argument("--container-socket", help="API of Docker or Podman, for --engine container")
    parser.add_argument("--ray-address", help="host:port of a Ray cluster's head, for --engine ray")
    parser.add_argument("--gateways", type=int, help="gateway processes that share the port; 1 if not given")
    arguments = vars(parser.parse_args())
    try:
        Supervisor(read_settings(arguments), APPLICATIONS).run()
    except ModelyardError as error:
        leave(error)


if __name__ == "__main__":
    main()
