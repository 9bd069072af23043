"""Request bodies of inference by reference."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from modelyard.control.references.schemas import Source


class PredictionsCreate(BaseModel):
    """Data to answer, by name."""

    model_config = ConfigDict(extra="forbid")

    source: Source = Field(description="Where the rows are.")
    format: Literal["csv", "parquet"] | None = Field(
        default=None, description="Of an object or address; null: what its name ends in.", examples=["csv"]
    )
    variant: str | None = Field(default=None, description="Ask this variant or version number.", examples=["main"])
