"""Names of nodes and what tells them from others, kept in Ray's labels."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.types.compute.nodes import NodeTraits

GPU_KIND, GPU_MEMORY = "modelyard.io/gpu-kind", "modelyard.io/gpu-memory-mib"
RAY_KIND = "ray.io/accelerator-type"
_LONGEST_VALUE = 63
_ID_DIGITS = 6


def of(node: Mapping[str, Any]) -> NodeTraits:
    """Of a node, as Ray lists it. The kind of its accelerators is what its owner or else what Ray says."""
    labels = node.get("Labels", {})
    return NodeTraits(
        labels={name: value for name, value in labels.items() if not name.startswith(("ray.io/", "modelyard.io/"))},
        gpu_kind=labels.get(GPU_KIND) or labels.get(RAY_KIND, ""),
        gpu_memory_bytes=int(labels.get(GPU_MEMORY, 0)) << 20,
    )


def as_labels(traits: NodeTraits) -> dict[str, str]:
    """What a node is started with so that `of` says the same of it."""
    found = dict(traits.labels)
    if traits.gpu_kind:
        found[GPU_KIND] = re.sub(r"[^A-Za-z0-9]+", "-", traits.gpu_kind)[:_LONGEST_VALUE].strip("-")
    if traits.gpu_memory_bytes:
        found[GPU_MEMORY] = str(traits.gpu_memory_bytes >> 20)
    return found


def names(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Living nodes by name; those that share one get a part of their id behind it, all but the first."""
    found: dict[str, Mapping[str, Any]] = {}
    for node in sorted((node for node in nodes if node["Alive"]), key=lambda node: str(node["NodeID"])):
        name = str(node.get("NodeName") or node["NodeManagerAddress"])
        found[name if name not in found else f"{name}-{node['NodeID'][:_ID_DIGITS]}"] = node
    return found
