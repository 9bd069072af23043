"""Starts and ends the Ray node of this machine. Never touches a cluster that it did not start."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelyard.engines.machines import find_gpus, this_machine
from modelyard.engines.ray import access, listing, nodes
from modelyard.engines.ray.traits import as_labels
from modelyard.errors import ConflictError, UnavailableError
from modelyard.kit.addresses import bound_socket
from modelyard.kit.files import write_atomic
from modelyard.settings import Home
from modelyard.types.compute.nodes import NodeTraits

START_SECONDS = 180.0
_STOP_SECONDS = 3.0  # Ray lets a node finish its tasks for up to 30 s; a process here ends with its node anyway
_OBJECT_STORE_BYTES = 96 << 20  # nothing but small messages goes through it
_children: dict[int, subprocess.Popen[bytes]] = {}  # started by this process, which has to collect them

# A node that is silent counts as lost after (threshold + 1) x (period + timeout) at most; Ray's own values take 20 s.
_HEARTBEATS = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


class ClusterRunningError(ConflictError):
    """A node of this state directory runs on this machine already."""

    code = "cluster_running"


class ClusterStartFailedError(UnavailableError):
    """Ray's processes did not come up; none is left."""

    code = "cluster_start_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a node gives to the cluster.

    Attributes:
        name: of the node, among all of the cluster; empty: its address.
        cpus: None: all that there are; memory and accelerators likewise.
        traits: its labels and what its accelerators are; what is not said of those, this machine's driver says.
    """

    name: str = ""
    cpus: int | None = None
    memory_bytes: int | None = None
    gpus: int | None = None
    traits: NodeTraits = field(default_factory=NodeTraits)

    def options(self) -> dict[str, object]:
        """As Ray is told; None: not at all."""
        found = this_machine(find_gpus()).traits
        kind, memory = self.traits.gpu_kind or found.gpu_kind, self.traits.gpu_memory_bytes or found.gpu_memory_bytes
        labels = as_labels(replace(self.traits, gpu_kind=kind, gpu_memory_bytes=memory))
        return {
            "node-name": self.name or None,
            "num-cpus": self.cpus,
            "num-gpus": self.gpus,
            "memory": self.memory_bytes,
            "labels": ",".join(f"{name}={value}" for name, value in labels.items()) or None,
        }


EVERYTHING = Offer()


def start_node(home: Home, *, address: str = "", ip: str = "", port: int = 0, offer: Offer = EVERYTHING) -> nodes.Node:
    """Start a cluster's head, or a further node of the cluster at `address`; returns once it takes work.

    Raises:
        RayMissingError: Ray is not installed.
        ClusterRunningError: this machine has a node already.
        ClusterStartFailedError: it did not come up.
    """
    access.check_installed()
    ip = ip or _own_ip()
    path = nodes.record_path(home, ip)
    known = nodes.read_record(path)
    if known is not None and known.is_alive:
        raise ClusterRunningError(
            f"A node of the cluster at {known.address} runs on {ip} already (process {known.pid})",
            hint="`modelyard cluster stop` ends it.",
        )
    if not address:
        access.make_token(home)
    home.create()
    home.cluster.mkdir(mode=0o700, exist_ok=True)
    target = address or f"{ip}:{port or _free_port(ip)}"
    folder = access.own_folder(hashlib.sha256(f"{home.root}{ip}".encode()).hexdigest()[:12])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    command = _command(target, ip, folder, is_head=not address, offer=offer.options())
    node = _spawn(home, command, target, ip, folder)
    nodes.write_record(home, node)
    try:
        _wait_until_alive(home, node)
    except BaseException:
        stop_node(home, node)
        raise
    if not address:
        write_atomic(home.cluster / listing.HEAD, target.encode(), mode=0o600)
    return node


def stop_node(home: Home, node: nodes.Node) -> None:
    """End a node's processes, all of them."""
    if node.is_alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(node.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while node.is_alive and time.monotonic() < deadline:
            time.sleep(0.05)
    for pid in nodes.processes(node):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if node.pid in _children:
        _children.pop(node.pid).wait()
    shutil.rmtree(node.folder, ignore_errors=True)
    nodes.record_path(home, node.ip).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if (home.cluster / listing.HEAD).read_text() == node.address and node.address.startswith(f"{node.ip}:"):
            (home.cluster / listing.HEAD).unlink()


def _command(target: str, ip: str, folder: Path, *, is_head: bool, offer: Mapping[str, object]) -> list[str]:
    options: dict[str, object] = {
        **offer,
        "node-ip-address": ip,
        "temp-dir": folder,
        "object-store-memory": _OBJECT_STORE_BYTES,
        "min-worker-port": 0,
        "max-worker-port": 0,
        "dashboard-agent-listen-port": _free_port(ip),
        "include-log-monitor": False,
    }
    if is_head:
        options |= {"port": target.rpartition(":")[2], "include-dashboard": False}
        options["ray-client-server-port"] = _free_port(ip)
    else:
        options["address"] = target
    words = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *(["--head"] * is_head), *words]


def _spawn(home: Home, command: list[str], target: str, ip: str, folder: Path) -> nodes.Node:
    with _log(home, ip).open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **access.environment(home), **_HEARTBEATS},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    _children[process.pid] = process
    started = nodes.started(process.pid) or 0
    return nodes.Node(address=target, ip=ip, pid=process.pid, started=started, boot=nodes.boot(), folder=str(folder))


def _wait_until_alive(home: Home, node: nodes.Node) -> None:
    """Until a program of this machine can join the cluster; in a process of its own, which leaves nothing behind."""
    program = "import sys; from modelyard.engines.ray.listing import join; join(*sys.argv[1:])"
    deadline, words = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < deadline and node.is_alive:
        answer = subprocess.run(
            [sys.executable, "-c", program, str(home.root), node.address, node.ip],
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if answer.returncode == 0:
            return
        words = (answer.stderr.strip().splitlines() or [""])[-1]
        time.sleep(0.2)
    log = _log(home, node.ip)
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    words = words if node.is_alive else " | ".join(lines[-3:])
    raise ClusterStartFailedError(f"The Ray node on {node.ip} did not come up: {words}", hint=f"See {log}.")


def _log(home: Home, ip: str) -> Path:
    return home.logs / f"cluster-{ip}.log"


def _free_port(ip: str) -> int:
    """One that Ray's own choices (10002 to 19999) do not meet."""
    while True:
        with bound_socket(ip, 0) as bound:
            port = int(bound.getsockname()[1])
        if port > 19999:  # noqa: PLR2004 - see above
            return port


def _own_ip() -> str:
    """The address by which other machines know this one; loopback if it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks the routing table
        return str(probe.getsockname()[0])
    return "127.0.0.1"
