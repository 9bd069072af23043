"""Request bodies of projects."""

from pydantic import BaseModel, ConfigDict, Field


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
