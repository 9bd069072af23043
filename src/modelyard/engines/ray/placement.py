"""Says to Ray what a process needs of its node, and finds out beforehand whether any node has it."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from modelyard.engines.base import NoSuchNodeError
from modelyard.engines.ray import traits
from modelyard.types.compute.nodes import NodeUse
from modelyard.types.processes import NodeChoice, ProcessSpec, Resources

_IDLE_CPUS = 0.1
"""Cores reserved for a process that names none: it is mostly idle, but many of them are to be spread."""


def options(ray: ModuleType, spec: ProcessSpec, nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Options of the actor that runs it.

    Args:
        ray: the library.
        spec: what was submitted.
        nodes: of the cluster, as Ray lists them.
    """
    resources, alive = spec.resources, [node for node in nodes if node["Alive"]]
    if spec.node:
        alive = [traits.names(nodes)[spec.node]]
    # A limit beyond the largest node reserves that node as a whole, so that a generous default keeps none waiting.
    held = reserved(spec, int(max((has(node, "memory") for node in alive), default=0.0)))
    found: dict[str, Any] = {"num_cpus": held.cpus, "num_gpus": held.gpus}
    if held.memory_bytes:
        found["memory"] = held.memory_bytes
    if spec.node:
        return found | {"scheduling_strategy": pinned(ray, alive[0]["NodeID"])}
    found["scheduling_strategy"] = "DEFAULT" if resources.placement is NodeChoice.PACK else "SPREAD"
    if selector := _selector(resources, alive):
        found["label_selector"] = selector
    return found


def reserved(spec: ProcessSpec, most_memory_bytes: int) -> NodeUse:
    """What Ray keeps for a process on a node that has so much memory."""
    memory = spec.resources.memory_bytes if spec.node_memory_bytes is None else spec.node_memory_bytes
    return NodeUse(
        cpus=_cpus(spec.resources), memory_bytes=min(memory or 0, most_memory_bytes), gpus=spec.resources.gpus
    )


def check_possible(spec: ProcessSpec, nodes: Sequence[Mapping[str, Any]]) -> None:
    """Nothing if some node could run it when it is idle: one that waits for room waits, but not for what is nowhere.

    Raises:
        NoSuchNodeError: none could, or the one that it names could not, or is not there.
    """
    resources, alive = spec.resources, [node for node in nodes if node["Alive"]]
    if spec.node:
        alive = _named(spec.node, nodes)
    suited = [node for node in alive if not traits.of(node).lacks(resources.node_wish)]
    if not suited:
        lacking = [traits.of(node).lacks(resources.node_wish) for node in alive]
        raise NoSuchNodeError(
            f"no node of the cluster has {lacking[-1] if lacking else 'anything: there is none'}",
            hint=f"What there is: {_known(alive) or 'no label and no known kind of accelerator'}.",
            field="resources.node_labels",
        )
    for name, words, wanted_amount in (("GPU", "accelerators", resources.gpus), ("CPU", "cores", _cpus(resources))):
        most = max(has(node, name) for node in suited)
        if wanted_amount > most:
            raise NoSuchNodeError(
                f"it asks for {wanted_amount:g} {words}, and the best node that it may have has {most:g}",
                hint="Ask for less, or start a node with more: `modelyard cluster start`.",
                field=f"resources.{name.lower()}s",
            )


def has(node: Mapping[str, Any], name: str) -> float:
    """How much of something a node has, in use or not."""
    return float(node["Resources"].get(name, 0.0))


def pinned(ray: ModuleType, node_id: str) -> Any:
    """The strategy that runs something on this node or not at all."""
    return ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)


def _named(name: str, nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    known = traits.names(nodes)
    if name not in known:
        raise NoSuchNodeError(
            f"the cluster has no living node '{name}'", hint=f"There are: {', '.join(known) or 'none'}.", field="node"
        )
    return [known[name]]


def _selector(resources: Resources, alive: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Labels by which Ray finds the nodes that suit; those of accelerators are named one by one."""
    found = dict(resources.node_labels)
    suited = [node["Labels"] for node in alive if not traits.of(node).lacks(resources.node_wish)]
    own_kind = any(traits.GPU_KIND in labels for labels in suited)
    for name, is_wanted in (
        (traits.GPU_KIND if own_kind else traits.RAY_KIND, resources.gpu_kind),
        (traits.GPU_MEMORY, resources.gpu_memory_bytes),
    ):
        values = sorted({labels[name] for labels in suited if name in labels})
        if is_wanted and values:
            found[name] = f"in({', '.join(values)})"
    return found


def _known(alive: Sequence[Mapping[str, Any]]) -> str:
    every = [traits.of(node) for node in alive]
    labels = sorted({f"{name}={value}" for each in every for name, value in each.labels.items()})
    kinds = sorted({f"GPU kind {each.gpu_kind}" for each in every if each.gpu_kind})
    return ", ".join([*labels, *kinds])


def _cpus(resources: Resources) -> float:
    return resources.cpus or _IDLE_CPUS
