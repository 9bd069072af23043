"""Request bodies of datasets."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from modelyard.types.datasets import DatasetFormat

Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
_TAGS = "Short words to find it by."
_EXAMPLE_TAGS = [["vision", "production"]]


class DatasetCreate(BaseModel):
    """A new dataset, still without content."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        description="1 to 63 lower-case letters, digits, '.', '_' or '-'. Unique in the project.", examples=["digits"]
    )
    description: str = Field(
        default="", max_length=10_000, description="What the data is, for people.", examples=["Handwritten digits"]
    )
    tags: list[Tag] = Field(default=[], max_length=50, description=_TAGS, examples=_EXAMPLE_TAGS)


class DatasetUpdate(BaseModel):
    """What may change about a dataset; what you leave out stays."""

    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(default=None, max_length=10_000, description="What the data is, for people.")
    tags: list[Tag] | None = Field(default=None, max_length=50, description=_TAGS, examples=_EXAMPLE_TAGS)


class DatasetVersionCreate(BaseModel):
    """A new version, from a finished upload."""

    model_config = ConfigDict(extra="forbid")

    upload: str = Field(
        max_length=60, description="Id of the upload that holds the content.", examples=["upload-01k0c7ev3q"]
    )
    format: DatasetFormat | None = Field(
        default=None,
        description="Leave out: the content tells it. If given, content of another format is refused.",
        examples=["csv"],
    )
    description: str = Field(default="", max_length=10_000, description="What is new in this version.")
    source: dict[
        Annotated[str, StringConstraints(max_length=100)], Annotated[str, StringConstraints(max_length=2_000)]
    ] = Field(
        default={},
        max_length=50,
        description="Where the content came from, in your own words and keys.",
        examples=[{"query": "select * from orders", "commit": "1a2b3c4"}],
    )


class NamedVersionCreate(DatasetVersionCreate):
    """A new version of a dataset that is named here."""

    dataset: str = Field(description="Dataset that gets the version; made if absent.", examples=["houses"])


class DatasetVersionsCreate(BaseModel):
    """New versions of several datasets."""

    model_config = ConfigDict(extra="forbid")

    versions: list[NamedVersionCreate] = Field(
        min_length=1, max_length=50, description="Made all of them, or none; each of another dataset."
    )

    @model_validator(mode="after")
    def check_distinct(self) -> Self:
        """No dataset is named twice."""
        if len({version.dataset for version in self.versions}) < len(self.versions):
            raise ValueError("name each dataset once")
        return self
