"""Says to Ray what a process needs of its node, and finds out beforehand whether any node has it."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from modelyard.engines.base import NoSuchNodeError
from modelyard.types.processes import NodeChoice, Resources

_IDLE_CPUS = 0.1
"""Cores reserved for a process that names none: it is mostly idle, but many of them are to be spread."""


def options(resources: Resources, nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Options of the actor that runs it.

    Args:
        resources: what it asks for.
        nodes: of the cluster, as Ray lists them.
    """
    found: dict[str, Any] = {
        "num_cpus": _cpus(resources),
        "num_gpus": resources.gpus,
        "scheduling_strategy": "DEFAULT" if resources.placement is NodeChoice.PACK else "SPREAD",
    }
    if resources.memory_bytes is not None:
        # A limit beyond the largest node reserves that node as a whole, so that a generous default keeps none waiting.
        most = max((_has(node, "memory") for node in nodes if node["Alive"]), default=0.0)
        found["memory"] = int(min(resources.memory_bytes, most))
    if resources.node_labels:
        found["label_selector"] = dict(resources.node_labels)
    return found


def check_possible(resources: Resources, nodes: Sequence[Mapping[str, Any]]) -> None:
    """Nothing if some node could run it when it is idle: one that waits for room waits, but not for what is nowhere.

    Raises:
        NoSuchNodeError: none could.
    """
    alive = [node for node in nodes if node["Alive"]]
    labelled = [node for node in alive if resources.node_labels.items() <= node.get("Labels", {}).items()]
    if not labelled:
        wanted = ", ".join(f"{name}={value}" for name, value in resources.node_labels.items())
        known = sorted({f"{name}={value}" for node in alive for name, value in own_labels(node).items()})
        raise NoSuchNodeError(
            f"no node of the cluster carries {wanted or 'anything: there is none'}",
            hint=f"Labels that there are: {', '.join(known) or 'none'}.",
            field="resources.node_labels",
        )
    for name, words, wanted_amount in (("GPU", "accelerators", resources.gpus), ("CPU", "cores", _cpus(resources))):
        most = max(_has(node, name) for node in labelled)
        if wanted_amount > most:
            raise NoSuchNodeError(
                f"it asks for {wanted_amount:g} {words}, and the best node that it may have has {most:g}",
                hint="Ask for less, or start a node with more: `modelyard cluster start`.",
                field=f"resources.{name.lower()}s",
            )


def together(nodes: Sequence[Mapping[str, Any]]) -> Resources:
    """What the living ones have together."""
    alive = [node for node in nodes if node["Alive"]]
    return Resources(
        cpus=sum(_has(node, "CPU") for node in alive),
        memory_bytes=int(sum(_has(node, "memory") for node in alive)),
        gpus=int(sum(_has(node, "GPU") for node in alive)),
    )


def own_labels(node: Mapping[str, Any]) -> dict[str, str]:
    """Labels that its owner gave it, without Ray's own."""
    return {name: value for name, value in node.get("Labels", {}).items() if not name.startswith("ray.io/")}


def pinned(ray: ModuleType, node_id: str) -> Any:
    """The strategy that runs something on this node or not at all."""
    return ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)


def _cpus(resources: Resources) -> float:
    return resources.cpus or _IDLE_CPUS


def _has(node: Mapping[str, Any], name: str) -> float:
    return float(node["Resources"].get(name, 0.0))
