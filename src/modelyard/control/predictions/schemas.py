"""Request bodies of inference by reference."""

from typing import Literal, Self

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


class PredictionsCreate(BaseModel):
    """Data to answer, by name."""

    model_config = ConfigDict(extra="forbid")

    source: Source = Field(description="Where the rows are.")
    format: Literal["csv", "parquet"] | None = Field(
        default=None, description="Of an object or address; null: what its name ends in.", examples=["csv"]
    )
    variant: str | None = Field(default=None, description="Ask this variant or version number.", examples=["main"])
