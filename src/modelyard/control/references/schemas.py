"""How a request names its data."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Source(BaseModel):
    """Where the rows are; exactly one of the three."""

    model_config = ConfigDict(extra="forbid")

    dataset: str | None = Field(default=None, description="A dataset version of the project.", examples=["houses:3"])
    object: str | None = Field(
        default=None,
        description="Key of an object in the platform's store, under `inputs/<project>/`.",
        examples=["inputs/default/january.parquet"],
    )
    url: str | None = Field(
        default=None,
        description="`https://` address of a host that the setting MODELYARD_REFERENCE_HOSTS allows.",
        examples=["https://data.example.com/january.csv"],
    )

    @model_validator(mode="after")
    def check_one(self) -> Self:
        """One source is named."""
        if sum(value is not None for value in (self.dataset, self.object, self.url)) != 1:
            raise ValueError("name one of dataset, object and url")
        return self
