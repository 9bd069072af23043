"""The cluster's nodes as the engine answers them: what each has, and what is in use there that no plan knows of."""

from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from modelyard.engines.base import ProcessNotFoundError
from modelyard.engines.ray import placement, traits
from modelyard.engines.ray.records import Records
from modelyard.types.compute.nodes import Node, NodeUse

_NOTHING = NodeUse()


def members(ray: ModuleType, records: Records) -> list[Node]:
    """The living nodes, in the order of their names."""
    available = ray._private.state.available_resources_per_node()  # noqa: SLF001 - public to developers only
    named = traits.names(ray.nodes())
    planned = _planned(records, named)
    return [
        # Nothing is known yet of one that has just come: nothing can be in use there.
        _node(name, each, available.get(each["NodeID"], each["Resources"]), planned.get(name, _NOTHING))
        for name, each in sorted(named.items())
    ]


def drain(ray: ModuleType, address: str, node_id: str) -> bool:
    """Have a node end if it is idle; the cluster itself says whether it is, and gives it nothing from then on."""
    from ray.core.generated import autoscaler_pb2  # noqa: PLC0415 - an extra

    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_IDLE_TERMINATION")
    is_accepted, _ = ray._raylet.GcsClient(address=address).drain_node(  # noqa: SLF001 - the library has no other way
        node_id, reason, "Modelyard ends a node that nothing needs", 0
    )
    return bool(is_accepted)


def _node(name: str, node: Mapping[str, Any], available: Mapping[str, float], planned: NodeUse) -> Node:
    cpus, memory, gpus = (placement.has(node, kind) for kind in ("CPU", "memory", "GPU"))
    return Node(
        name=name,
        cpus=cpus,
        memory_bytes=int(memory),
        gpus=int(gpus),
        traits=traits.of(node),
        in_use=NodeUse(
            cpus=round(max(0.0, cpus - available.get("CPU", 0.0) - planned.cpus), 4),
            memory_bytes=int(max(0.0, memory - available.get("memory", 0.0) - planned.memory_bytes)),
            gpus=round(max(0.0, gpus - available.get("GPU", 0.0) - planned.gpus), 4),
        ),
    )


def _planned(records: Records, named: Mapping[str, Mapping[str, Any]]) -> dict[str, NodeUse]:
    """What this platform's own processes hold that were put where they are.

    One that does not run yet is left out: Ray may or may not keep something for it already, and a node that seems
    fuller than it is only makes jobs wait a moment.
    """
    found: dict[str, NodeUse] = {}
    for process_id in records.ids():
        with suppress(ProcessNotFoundError):  # removed meanwhile
            spec = records.record(process_id).spec
            if spec.node not in named or records.running(process_id) is None or records.end(process_id) is not None:
                continue
            held = placement.reserved(spec, int(placement.has(named[spec.node], "memory")))
            before = found.get(spec.node, _NOTHING)
            found[spec.node] = NodeUse(
                cpus=before.cpus + held.cpus,
                memory_bytes=before.memory_bytes + held.memory_bytes,
                gpus=before.gpus + held.gpus,
            )
    return found
