"""The nodes that were started on this machine: one small file each in the state directory."""

import contextlib
import os
from pathlib import Path

import msgspec

from modelyard.engines.local import tree
from modelyard.kit.files import write_atomic
from modelyard.settings import Home


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node that was started here.

    Attributes:
        address: host:port of the cluster's head.
        ip: the node's own address.
        pid: the program that runs Ray's processes and takes them with it.
        started: when that began, in the kernel's ticks; with `boot` it tells the process from a later one of its pid.
        boot: the machine's present life.
        folder: sockets and logs of Ray.
    """

    address: str
    ip: str
    pid: int
    started: int
    boot: str
    folder: str

    @property
    def is_alive(self) -> bool:
        """Whether it runs on this machine now."""
        return self.boot == boot() and self.started == started(self.pid)


def nodes_here(home: Home) -> list[Node]:
    """Nodes of this state directory that run on this machine."""
    found = (read_record(path) for path in sorted(home.cluster.glob("*.json")))
    return [node for node in found if node is not None and node.is_alive]


def read_record(path: Path) -> Node | None:
    """A node, if there is a readable record of one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Node)
    except (OSError, msgspec.DecodeError):
        return None


def write_record(home: Home, node: Node) -> None:
    """Keep what `nodes_here` and `stop_node` go by."""
    write_atomic(record_path(home, node.ip), msgspec.json.encode(node), mode=0o600)


def record_path(home: Home, ip: str) -> Path:
    """Where the record of the node with this address is."""
    return home.cluster / f"{ip}.json"


def processes(node: Node) -> set[int]:
    """What is left of a node: below its program, or with its folder on the command line."""
    own = os.fsencode(node.folder)
    found = {node.pid} | tree.descendants(node.pid) if node.is_alive else set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if own in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                found.add(int(folder.name))
    return found


def boot() -> str:
    """The machine's present life."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started(pid: int) -> int | None:
    """When a process began, in the kernel's ticks; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
