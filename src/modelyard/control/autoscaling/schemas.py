"""Request bodies of nodes that come and go."""

from pydantic import BaseModel, ConfigDict, Field

from modelyard.types.compute.autoscaling import NodeKind
from modelyard.types.compute.nodes import NodeTraits


class NodeKindUpdate(BaseModel):
    """Nodes that are alike, and how many of them there may be."""

    model_config = ConfigDict(extra="forbid")

    min_nodes: int = Field(default=0, ge=0, le=1000, description="So many are always there.")
    max_nodes: int = Field(ge=0, le=1000, description="There are never more.", examples=[4])
    cpus: float = Field(gt=0, description="Cores that each offers.", examples=[8])
    memory_bytes: int = Field(gt=0, description="Memory that each offers.", examples=[32 << 30])
    gpus: int = Field(default=0, ge=0, description="Accelerators that each offers.")
    gpu_kind: str = Field(default="", max_length=63, description="What they are.", examples=["A100"])
    gpu_memory_bytes: int = Field(default=0, ge=0, description="Memory of each accelerator.")
    labels: dict[str, str] = Field(default_factory=dict, max_length=16, description="Labels of each node.")
    idle_seconds: float = Field(default=300.0, ge=1, description="A node that did nothing for so long is ended.")
    start_seconds: float = Field(default=600.0, ge=1, description="One that has not come within this is given up.")

    def kind(self, name: str) -> NodeKind:
        """As plain data."""
        return NodeKind(
            name=name,
            min_nodes=self.min_nodes,
            max_nodes=self.max_nodes,
            cpus=self.cpus,
            memory_bytes=self.memory_bytes,
            gpus=self.gpus,
            traits=NodeTraits(labels=self.labels, gpu_kind=self.gpu_kind, gpu_memory_bytes=self.gpu_memory_bytes),
            idle_seconds=self.idle_seconds,
            start_seconds=self.start_seconds,
        )
