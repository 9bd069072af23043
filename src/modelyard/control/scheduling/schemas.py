"""Request bodies of queues, hosts and reservations."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.types.compute.gangs import LARGEST_GANG
from modelyard.types.compute.scheduling import HostCapacity


class QueueCreate(BaseModel):
    """A new queue."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 lower-case letters, digits, '.', '_' or '-'.", examples=["urgent"])
    description: str = Field(default="", max_length=10_000, description="What the queue is for.")
    priority: int = Field(default=0, ge=-100, le=100, description="Added to the priority of each of its jobs.")


class QueueUpdate(BaseModel):
    """What may change about a queue; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(default=None, max_length=10_000, description="What the queue is for.")
    priority: int | None = Field(default=None, ge=-100, le=100, description="Added to the priority of its jobs.")
    hold: bool | None = Field(default=None, description="True: nothing in it starts; what runs goes on.")


class HostUpdate(BaseModel):
    """What jobs may take of a machine."""

    model_config = ConfigDict(extra="forbid")

    cpus: float = Field(ge=0, description="Cores for jobs.", examples=[8])
    memory_bytes: int = Field(ge=0, description="Memory for jobs.")
    gpus: int = Field(default=0, ge=0, description="GPUs for jobs.")
    jobs: int = Field(ge=0, description="As many jobs run at the same time, however small.", examples=[8])

    def capacity(self, name: str) -> HostCapacity:
        """As plain data."""
        return HostCapacity(name=name, cpus=self.cpus, memory_bytes=self.memory_bytes, gpus=self.gpus, jobs=self.jobs)


class RankRequest(BaseModel):
    """Another place for a waiting job; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    queue: str | None = Field(default=None, max_length=63, description="Another queue.")
    priority: int | None = Field(default=None, ge=-10, le=10, description="Added to the priority of its queue.")


class MoveRequest(BaseModel):
    """Where a waiting job goes."""

    model_config = ConfigDict(extra="forbid")

    before: str = Field(max_length=64, description="A waiting job of the same project and queue.")


class ReservationCreate(BaseModel):
    """Capacity for a window."""

    model_config = ConfigDict(extra="forbid")

    cpus: float = Field(gt=0, description="Cores of each host.", examples=[2])
    memory_bytes: int | None = Field(
        default=None, ge=0, description="Memory of each host; as large a part of it as of its cores if left out."
    )
    gpus: int = Field(default=0, ge=0, description="GPUs of each host.")
    hosts: int = Field(default=1, ge=1, le=LARGEST_GANG, description="On so many hosts, all of them or none.")
    starts_at: AwareDatetime = Field(description="When it begins.")
    ends_at: AwareDatetime = Field(description="When it ends.")
