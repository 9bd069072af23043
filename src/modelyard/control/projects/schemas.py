"""Request bodies of projects."""

from pydantic import BaseModel, ConfigDict, Field

from modelyard.types.compute.scheduling import Quota


class ProjectCreate(BaseModel):
    """A new project."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        description="1 to 63 lower-case letters, digits, '.', '_' or '-'. Part of every path of what it will hold.",
        examples=["fraud-team"],
    )
    description: str = Field(
        default="", max_length=10_000, description="What the project is for.", examples=["Card fraud models"]
    )


class CodePermission(BaseModel):
    """Leave to register models that are programs."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=1,
        max_length=2000,
        description="Why this project may run code of its own, in a sentence. It is shown with the project.",
        examples=["The fraud team reviews its model scripts in its own repository."],
    )


class ProjectUpdate(BaseModel):
    """What may change about a project."""

    model_config = ConfigDict(extra="forbid")

    description: str = Field(max_length=10_000, description="What the project is for.", examples=["Card fraud models"])


class IdlePolicy(BaseModel):
    """When endpoints that nobody asks end their replicas."""

    model_config = ConfigDict(extra="forbid")

    after_hours: float | None = Field(
        ge=0, description="Hours without a request; 0: never, null: as the platform has it.", examples=[12]
    )


class QuotaRequest(BaseModel):
    """The whole quota; what is left out has no limit."""

    model_config = ConfigDict(extra="forbid")

    running_jobs: int | None = Field(default=None, ge=0, description="Jobs that run at the same time.")
    cpus: float | None = Field(default=None, ge=0, description="Cores of running jobs and reservations.")
    memory_bytes: int | None = Field(default=None, ge=0, description="Memory of running jobs and reservations.")
    gpus: int | None = Field(default=None, ge=0, description="GPUs of running jobs and reservations.")
    storage_bytes: int | None = Field(default=None, ge=0, description="Dataset and model versions together.")
    endpoints: int | None = Field(default=None, ge=0, description="Endpoints.")
    share: float = Field(
        default=1.0, gt=0, le=1000, description="Weight among projects: one of weight 2 gets twice what one of 1 gets."
    )

    def quota(self) -> Quota:
        """As plain data."""
        return Quota(**self.model_dump())
