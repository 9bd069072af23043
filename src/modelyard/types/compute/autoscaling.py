"""Nodes that come and go with the queue: the kinds that there may be, and what became of each node."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.compute.nodes import NodeTraits


class ManagedNodeState(StrEnum):
    """STARTING until it takes work, RUNNING, ENDING once nothing is given to it any more, ENDED.

    FAILED: it did not come, or what was to end it went wrong; `ended_because` says what.
    """

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    ENDING = "ENDING"
    ENDED = "ENDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """Nodes that are alike, and how many of them there may be.

    Attributes:
        min_nodes: so many are always there.
        max_nodes: there are never more.
        cpus: that each offers; memory and GPUs likewise.
        traits: labels, and what its accelerators are.
        idle_seconds: a node that has done nothing for so long is ended.
        start_seconds: one that has not come within this time is given up.
    """

    name: str
    min_nodes: int = 0
    max_nodes: int = 1
    cpus: float
    memory_bytes: int
    gpus: int = 0
    traits: NodeTraits = field(default_factory=NodeTraits)
    idle_seconds: float = 300.0
    start_seconds: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedNode:
    """A node that was started because of the queue, and why.

    Attributes:
        name: its name in the cluster.
        started_because: what needed it.
        ended_because: why it is not there any more; empty while it is.
        idle_since: since when it has done nothing; None: it works, or is not there.
        changed_at: when it came into its present state.
    """

    name: str
    kind: str
    state: ManagedNodeState
    started_because: str
    ended_because: str = ""
    idle_since: datetime | None = None
    created_at: datetime
    changed_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it may still cost something."""
        return self.state not in (ManagedNodeState.ENDED, ManagedNodeState.FAILED)
