"""Three machines that are network namespaces of this one, and one of which can be killed. Needs root and iproute2."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

NAMES = ("a", "b", "c")
PROGRAM = "from modelyard.cli.main import main; main()"


class Nodes:
    """Node `a` runs the cluster's head. All of them see the same file system, as they would by NFS.

    Args:
        home: state directory of the cluster.
        switch: name of the network between them, for another process that looks at the same nodes.
        started: those that are nodes from the beginning; the others are machines only.
    """

    def __init__(self, home: Path, switch: str = "", started: Sequence[str] = NAMES) -> None:
        self.home = home
        self.switch = switch or f"myd{os.getpid()}"
        self.address = ""
        self._started = started

    def __enter__(self) -> Self:
        try:
            self._make_network()
            self.address = self._start("a")
            for name in self._started[1:]:
                self._start(name, "--address", self.address)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in NAMES:
            self.kill(name)
        for space in (*map(self.space, NAMES), self.switch):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
        for record in (self.home / "run" / "cluster").glob("*.json"):
            shutil.rmtree(json.loads(record.read_bytes())["folder"], ignore_errors=True)

    def space(self, name: str) -> str:
        """The network namespace of a node."""
        return f"{self.switch}{name}"

    @staticmethod
    def ip(name: str) -> str:
        """The address of a node."""
        return f"10.99.7.{NAMES.index(name) + 1}"

    def command(self, name: str, *words: str) -> list[str]:
        """What runs a command on a node."""
        return ["nsenter", f"--net=/run/netns/{self.space(name)}", *words]

    def modelyard(self, name: str, *words: str) -> list[str]:
        """What runs the command line on a node."""
        return self.command(name, sys.executable, "-c", PROGRAM, *words)

    def run(self, command: Sequence[str], timeout_seconds: float, **options: Any) -> str:
        """Run to the end; standard output. What it printed is in the error if it fails."""
        options = {"env": self.environment(), **options}  # another cluster that was joined here has left its token
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False, **options)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        """For a platform with a state directory of its own on this cluster."""
        return {**os.environ, "RAY_AUTH_TOKEN_PATH": str(self.home / "cluster.token")}

    def processes(self, name: str) -> set[int]:
        """Everything that runs in a node's network, and below that: sandboxes have networks of their own."""
        found = subprocess.run(["ip", "netns", "pids", self.space(name)], check=False, capture_output=True, text=True)
        direct = {int(word) for word in found.stdout.split()}
        return direct | below(direct)

    def kill(self, name: str) -> None:
        """As if the machine had lost its power: SIGKILL to everything, at once and until nothing is left."""
        deadline = time.monotonic() + 10
        while (alive := self.processes(name)) and time.monotonic() < deadline:
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def _make_network(self) -> None:
        run = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True)  # noqa: E731
        run("netns", "add", self.switch)
        run("-n", self.switch, "link", "add", "switch", "type", "bridge")
        run("-n", self.switch, "link", "set", "switch", "up")
        for name in NAMES:
            space = self.space(name)
            run("netns", "add", space)
            run("-n", space, "link", "set", "lo", "up")
            pair = ("type", "veth", "peer", "name", f"to-{name}", "netns", self.switch)
            run("-n", space, "link", "add", "wire", *pair)
            run("-n", self.switch, "link", "set", f"to-{name}", "master", "switch", "up")
            run("-n", space, "addr", "add", f"{self.ip(name)}/24", "dev", "wire")
            run("-n", space, "link", "set", "wire", "up")

    def _start(self, name: str, *options: str) -> str:
        words = ("cluster", "start", "--node-ip", self.ip(name), "--cpus", "2", "--label", f"name={name}", *options)
        if name != "a":
            words = (*words, "--gpus", "2")
        self.run(self.modelyard(name, *words, "--home", str(self.home)), 200)
        return (self.home / "run" / "cluster" / "head").read_text()


@contextlib.contextmanager
def platform_on(nodes: Nodes, home: Path, **settings: str) -> Iterator[None]:
    """A platform on node `a`, with a state directory of its own, that runs on all of them."""
    log = home / "up.log"
    words = ("-m", "modelyard.server.up", "--home", str(home), "--port", "0", "--engine", "ray")
    command = nodes.command("a", sys.executable, *words, "--ray-address", nodes.address)
    with log.open("wb") as output:
        platform = subprocess.Popen(command, env=nodes.environment() | settings, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 150
        while "is ready" not in log.read_text():
            assert platform.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        platform.send_signal(signal.SIGTERM)
        platform.wait(60)


def below(pids: set[int]) -> set[int]:
    """Descendants of `pids`."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = set(), list(pids)
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found
