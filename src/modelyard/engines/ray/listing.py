"""The cluster as its head knows it."""

import contextlib
import json
from pathlib import Path

import msgspec

from modelyard.engines.ray import access, traits
from modelyard.settings import Home

HEAD = "head"
"""File in the state directory's folder of the cluster: host:port of the head that was started from it."""


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A node, as the cluster's head knows it; one that is gone has nothing left."""

    name: str
    ip: str
    is_alive: bool
    cpus: float
    gpus: float
    memory_bytes: float
    gpu_kind: str
    gpu_memory_bytes: int
    labels: dict[str, str]


def address_of(home: Home, address: str = "") -> str:
    """The address that was given, or that of the cluster which was started from this state directory.

    Raises:
        ClusterUnavailableError: neither.
    """
    with contextlib.suppress(OSError):
        address = address or (home.cluster / HEAD).read_text().strip()
    if not address:
        raise access.ClusterUnavailableError(
            f"There is no cluster: none was started from {home.root}, and no address was given",
            hint="`modelyard cluster start`, or --ray-address host:port.",
        )
    return address


def describe(home: Home, address: str = "") -> list[NodeView]:
    """The nodes of the cluster, as its head knows them.

    Raises:
        RayMissingError: Ray is not installed.
        ClusterUnavailableError: no cluster answers.
    """
    ray = access.connect(home, address_of(home, address))
    nodes = ray.nodes()
    names = {node["NodeID"]: name for name, node in traits.names(nodes).items()}
    return [
        NodeView(
            name=names.get(node["NodeID"], node["NodeName"]),
            ip=node["NodeManagerAddress"],
            is_alive=node["Alive"],
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
            memory_bytes=node["Resources"].get("memory", 0.0),
            gpu_kind=traits.of(node).gpu_kind,
            gpu_memory_bytes=traits.of(node).gpu_memory_bytes,
            labels=dict(traits.of(node).labels),
        )
        for node in nodes
    ]


def join(root: str, address: str, ip: str) -> None:
    """Connect and leave again; fails if this machine's node is not up."""
    alive = [node.ip for node in describe(Home(Path(root)), address) if node.is_alive]
    if ip not in alive:
        raise SystemExit(f"{ip} is not among {json.dumps(alive)}")
