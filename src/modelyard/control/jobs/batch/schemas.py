"""Request bodies of batch jobs."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelyard.control.jobs.schemas import LimitedRequest
from modelyard.control.references.schemas import Source
from modelyard.types.batch.recipes import BatchRecipe

Column = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class BatchJobRequest(LimitedRequest):
    """Answer every row of some data by a model version, and keep the answers as a dataset."""

    model: str = Field(
        description='Model version: "houses" (the newest), "houses:3" or "houses@champion". It needs no endpoint.',
        examples=["houses:3"],
    )
    source: Source = Field(description="Where the rows are.")
    format: Literal["csv", "parquet"] | None = Field(
        default=None, description="Of an object or address; null: what its name ends in.", examples=["csv"]
    )
    output: str = Field(
        description="Dataset that gets the answers as a new version; made if absent.", examples=["scored-houses"]
    )
    keep: list[Column] | None = Field(
        default=None,
        max_length=20_000,
        description="Columns of the data that stand beside the answers, such as a key; null: all of them.",
        examples=[["id"]],
    )
    prefix: str = Field(
        default="",
        max_length=100,
        description="Put in front of the answers' columns, where the data has columns of the same names.",
        examples=["second_"],
    )

    def recipe(self) -> BatchRecipe:
        """As plain data; what the source names comes with it unless it is a dataset version."""
        return BatchRecipe(
            output=self.output,
            object=self.source.object,
            url=self.source.url,
            format=self.format,
            keep=None if self.keep is None else tuple(self.keep),
            prefix=self.prefix,
        )
