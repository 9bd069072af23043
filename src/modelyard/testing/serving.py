"""Real gateways and workers for tests of runtimes, dialects and clients: started as processes, ended by their pids."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.dataplane.gateway.config import GatewayConfig, Limits
from modelyard.dataplane.hosting.layout import MODELS, REPORT
from modelyard.dataplane.hosting.orders import Load, Unload, give_order
from modelyard.dataplane.hosting.report import HostReport, ReportReader
from modelyard.dataplane.routing import FOLLOW_SECONDS, write_table
from modelyard.errors import ModelyardError
from modelyard.types.access import Role
from modelyard.types.routing import PLACE_SEPARATOR, RouteEndpoint, RouteReplica, RouteToken, RouteVariant, RoutingTable

TOKEN = "my_test_serving"  # noqa: S105 - known to the tests only
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class ServingFailedError(ModelyardError):
    """A process did not start or did not end; the message has its output."""

    code = "serving_failed"


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A worker that answers on `address`."""

    name: str
    address: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(_STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A model host: give it orders in `folder`, bundles in `bundles`."""

    folder: Path
    bundles: Path
    process: subprocess.Popen[bytes]

    def load(self, place: str, bundle: Path, project: str = "default") -> None:
        """Serve a copy of `bundle`."""
        shutil.copytree(bundle, self.bundles / place)
        give_order(self.folder, Load(place, f"model {place}", project))

    def unload(self, place: str) -> None:
        """Tell it to finish and forget the model."""
        give_order(self.folder, Unload(place))

    def report(self) -> HostReport:
        """What it says of itself now."""
        report = ReportReader().read(self.folder)
        if report is None:
            raise ServingFailedError(f"the host in '{self.folder}' has not said anything", hint="Look at its log.")
        return report

    def socket(self, place: str) -> str:
        """Of one model."""
        return str(self.folder / place)

    def address(self, place: str) -> str:
        """For routing tables."""
        return f"{self.folder / MODELS}{PLACE_SEPARATOR}{place}"


class Serving:
    """A gateway with workers in a folder of its own. Use as a context manager: leaving it ends all processes."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        self.url = ""
        self.grpc_port = 0
        self.spool = folder / "spool"
        self.demand = folder / "demand"
        self.demand.mkdir(exist_ok=True)
        self.control_socket = folder / "control.sock"
        self._limits = limits or Limits()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._generation = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The gateway's port."""
        return int(self.url.rpartition(":")[2])

    def start_worker(self, name: str, bundle: Path | None = None, command: Sequence[str] = ()) -> WorkerProcess:
        """A worker for a bundle, or another `command` that takes --socket; returns once it answers."""
        address = str(self.folder / f"{name}.sock")
        chosen = list(command) or ["-m", "modelyard.dataplane.worker", "--bundle", str(bundle)]
        process = self._start(name, [*chosen, "--socket", address])
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                WorkerClient(address, 5.0).close()
            except WorkerUnavailableError:
                self._check_alive(name, process, deadline)
            else:
                return WorkerProcess(name, address, process)

    def start_host(self, name: str, *options: str) -> "HostProcess":
        """A model host; returns once it takes orders."""
        folder, bundles = self.folder / name, self.folder / f"{name}-bundles"
        for each in (folder, bundles):
            each.mkdir(exist_ok=True)
        (folder / REPORT).unlink(missing_ok=True)  # an earlier one of the name may have been killed
        words = ["--folder", str(folder), "--bundles", str(bundles), *options]
        process = self._start(name, ["-m", "modelyard.dataplane.host", *words])
        deadline = time.monotonic() + _START_SECONDS
        while not (folder / REPORT).exists():
            self._check_alive(name, process, deadline)
        return HostProcess(folder, bundles, process)

    def start_gateway(self, name: str = "gateway", **changes: str | int) -> subprocess.Popen[bytes]:
        """The gateway; `url` is set once it listens. `changes` are fields of GatewayConfig."""
        address_file = self.folder / f"{name}.json"
        config = GatewayConfig(
            control_socket=str(self.control_socket),
            routing=str(self.folder / "routing.json"),
            spool=str(self.spool),
            demand=str(self.demand / name),
            address_file=str(address_file),
            limits=self._limits,
        )
        fields = {**msgspec.to_builtins(config), **changes}
        path = self.folder / f"{name}-config.json"
        path.write_bytes(json.dumps(fields).encode())
        address_file.unlink(missing_ok=True)
        process = self._start(name, ["-m", "modelyard.server.gateway", "--config", str(path)])
        deadline = time.monotonic() + _START_SECONDS
        while not address_file.exists():
            self._check_alive(name, process, deadline)
        address = json.loads(address_file.read_bytes())
        self.url, self.grpc_port = str(address["url"]), int(address.get("grpc_port", 0))
        return process

    def start_gateways(self, number: int, **changes: str | int) -> list[subprocess.Popen[bytes]]:
        """So many gateways at one port, named gateway-1 and so on; the first one has it from the system.

        With a `grpc_port` the same holds for gRPC.
        """
        return [self.start_one_of(number, index + 1, **changes) for index in range(number)]

    def start_one_of(self, number: int, which: int, **changes: str | int) -> subprocess.Popen[bytes]:
        """One of several gateways; also again, after it has ended."""
        figures, rates = self.folder / "figures", self.folder / "rates"
        for folder in (figures, rates):
            folder.mkdir(exist_ok=True)
        name = f"gateway-{which}"
        files: dict[str, str | int] = {"figures": str(figures / name), "rates": str(rates)}
        if self.url:
            changes["port"] = self.port
        if self.grpc_port:
            changes["grpc_port"] = self.grpc_port
        return self.start_gateway(name, gateways=number, **files, **changes)

    def publish(self, *endpoints: RouteEndpoint, tokens: Iterable[RouteToken] = ()) -> None:
        """Put a routing table in force; returns once the gateway follows it. TOKEN is always in it."""
        self._generation += 1
        every = (token("test", TOKEN), *tokens)
        write_table(
            self.folder / "routing.json", RoutingTable(generation=self._generation, endpoints=endpoints, tokens=every)
        )
        time.sleep(FOLLOW_SECONDS)

    def output(self, name: str) -> str:
        """What a process has printed."""
        return (self.folder / f"{name}.log").read_text()

    def close(self) -> None:
        """End what still runs, gateway first."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)  # a test may have stopped it
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _start(self, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ}
            )
        self._processes.append(process)
        return process

    def _check_alive(self, name: str, process: subprocess.Popen[bytes], deadline: float) -> None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServingFailedError(
                f"'{name}' did not start (code {process.returncode}): {self.output(name)}",
                hint=f"Its output is in {self.folder / name}.log.",
            )
        time.sleep(0.02)


def variant(
    *workers: WorkerProcess, name: str = "main", model: str = "model", number: int = 1, weight: float = 1.0
) -> RouteVariant:
    """A variant of running workers, as they describe themselves."""
    with WorkerClient(workers[0].address, _START_SECONDS) as client:
        return RouteVariant(
            name=name,
            model=model,
            number=number,
            weight=weight,
            signature=client.signature,
            replicas=tuple(RouteReplica(id=worker.name, address=worker.address) for worker in workers),
            is_pure=client.is_pure,
        )


def endpoint(
    name: str,
    *variants: RouteVariant,
    project: str = "default",
    capture_share: float = 0.0,
    reason: str = "",
    is_stopped: bool = False,
) -> RouteEndpoint:
    """An endpoint of the routing table."""
    return RouteEndpoint(
        project=project,
        name=name,
        variants=variants,
        capture_share=capture_share,
        reason=reason,
        is_stopped=is_stopped,
    )


def token(
    id: str,
    secret: str,
    project: str | None = None,
    role: Role = Role.VIEWER,
    requests_per_second: float | None = None,
) -> RouteToken:
    """A token of the routing table."""
    return RouteToken(
        id=id,
        secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
        project=project,
        role=role,
        requests_per_second=requests_per_second,
    )
