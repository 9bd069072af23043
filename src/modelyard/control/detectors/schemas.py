"""Request bodies of detectors."""

from pydantic import BaseModel, ConfigDict, Field

MAXIMUM_SOURCE = 200_000


class DetectorPut(BaseModel):
    """A detector of one's own."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(
        min_length=1,
        max_length=MAXIMUM_SOURCE,
        description="A Python file with one subclass of `modelyard.drift.base.Detector`.",
    )
    description: str = Field(default="", max_length=500, description="What it looks for.")
