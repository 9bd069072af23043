"""Request bodies of detectors."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAXIMUM_SOURCE = 200_000


class DetectorPut(BaseModel):
    """A detector of one's own: either a Python file or an image."""

    model_config = ConfigDict(extra="forbid")

    source: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAXIMUM_SOURCE,
        description="A Python file with one subclass of `modelyard.drift.base.Detector`.",
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        pattern=r"^\S+$",
        description="An image that reads the files of a check and writes `result.json`; its digest is kept.",
    )
    command: list[Annotated[str, Field(max_length=2000)]] = Field(
        default_factory=list, max_length=100, description="What the image runs; empty: what the image says."
    )
    description: str = Field(default="", max_length=500, description="What it looks for.")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.source is None) == (self.image is None):
            raise ValueError("give either 'source' or 'image'")
        if self.command and self.image is None:
            raise ValueError("'command' belongs to an image")
        return self
