"""Kinds of nodes that come when jobs need them, and the nodes that came."""

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import JOBS, Resource, at, delete, pages, put
from modelyard.sdk.steps import Flow
from modelyard.types.compute.autoscaling import ManagedNode, NodeKind


class Nodes(Resource[Mode]):
    """Nodes of the cluster that come and go with the queue."""

    @listing
    def kinds(self) -> Pages[NodeKind]:
        """What may come, by name."""
        return pages(NodeKind, at(JOBS, "node-kinds"))

    @call
    def set_kind(self, kind: NodeKind) -> Flow[NodeKind]:
        """Make or replace a kind of node."""
        body = {
            "min_nodes": kind.min_nodes,
            "max_nodes": kind.max_nodes,
            "cpus": kind.cpus,
            "memory_bytes": kind.memory_bytes,
            "gpus": kind.gpus,
            "gpu_kind": kind.traits.gpu_kind,
            "gpu_memory_bytes": kind.traits.gpu_memory_bytes,
            "labels": dict(kind.traits.labels),
            "idle_seconds": kind.idle_seconds,
            "start_seconds": kind.start_seconds,
        }
        return put(NodeKind, at(JOBS, "node-kinds", kind.name), body)

    @call
    def delete_kind(self, name: str) -> Flow[None]:
        """Let no more of it come; those that are there go once they are idle."""
        return delete(at(JOBS, "node-kinds", name))

    @listing
    def list(self) -> Pages[ManagedNode]:
        """Nodes that came and went, newest first."""
        return pages(ManagedNode, at(JOBS, "nodes"))
