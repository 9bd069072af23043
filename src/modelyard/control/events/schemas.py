"""Request bodies of events."""

from pydantic import BaseModel, ConfigDict, Field


class EventCreate(BaseModel):
    """What happened to a pipeline. Other events are Operations' own: programs rely on them."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(
        max_length=200, pattern=r"^pipeline/.+$", description="What it happened to.", examples=["pipeline/houses"]
    )
    kind: str = Field(
        max_length=60, pattern=r"^pipeline_[a-z_]+$", description="Word for programs.", examples=["pipeline_notice"]
    )
    message: str = Field(max_length=10_000, description="A sentence for people.")
    details: dict[str, str] = Field(default_factory=dict, max_length=50, description="More for programs.")
