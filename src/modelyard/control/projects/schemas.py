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


class ProjectUpdate(BaseModel):
    """What may change about a project."""

    model_config = ConfigDict(extra="forbid")

    description: str = Field(max_length=10_000, description="What the project is for.", examples=["Card fraud models"])
