"""Which models are served by model hosts, and which of them have one for themselves."""

from dataclasses import dataclass

from modelyard.control.endpoints.records import ReplicaRecord, Slot
from modelyard.types.models import ArtifactFormat
from modelyard.types.processes import Resources

MOST_FAULTS = 2
"""A model that was at work so often when its host ended has a host for itself from then on."""

_MOST_COPIED_BYTES = 64 << 20  # a host sees copies only: what is larger is served from the cache, by a worker
_NO_LIMITS = Resources()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostingPolicy:
    """Rules of hosting.

    Attributes:
        shared_model_bytes: models whose file is at most this large share a host; 0: none does.
        spare_workers: hosts without a model that wait while anything is deployed.
        host_memory_bytes: a shared host parks models beyond this.
        most_models: of one host.
        most_busy_share: a host that is busier takes no further model.
    """

    shared_model_bytes: int = 8 << 20
    spare_workers: int = 1
    host_memory_bytes: int = 1 << 30
    most_models: int = 256
    most_busy_share: float = 0.7

    def takes(self, slot: Slot, kind: ArtifactFormat, size_bytes: int) -> bool:
        """Whether a host serves such a replica; else it has a worker, which is a process with one model from its start.

        A host runs no code of others and gives every model one thread; limits are those of a process.
        """
        if kind is not ArtifactFormat.ONNX or slot.resources != _NO_LIMITS:
            return False
        return size_bytes <= self.shared_model_bytes or (self.spare_workers > 0 and size_bytes <= _MOST_COPIED_BYTES)

    def is_alone(self, replica: ReplicaRecord, size_bytes: int) -> bool:
        """Whether it shares its host with no other model."""
        is_faulty = replica.host_faults >= MOST_FAULTS
        return replica.slot.is_isolated or is_faulty or size_bytes > self.shared_model_bytes
