"""Request bodies of processing jobs."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from modelyard.control.jobs.scripts.schemas import ProgramJobRequest
from modelyard.control.references.schemas import Source
from modelyard.types.jobs import DatasetRef, JobKind, JobRecipe
from modelyard.types.scripting.recipes import ScriptRecipe, SourceRef

DatasetName = Annotated[str, StringConstraints(min_length=1, max_length=63)]


class InputRequest(Source):
    """An input: a dataset version ("houses:3", "houses" for the newest), an object, or an address."""

    format: Literal["csv", "parquet"] | None = Field(
        default=None, description="Of an object or address; null: what its name ends in.", examples=["csv"]
    )


class ProcessingJobRequest(ProgramJobRequest):
    """Make datasets of data by a Python file of a snapshot, or by an image."""

    inputs: dict[str, InputRequest] = Field(
        default_factory=dict,
        max_length=20,
        description="Data by name: a folder each, which MODELYARD_CHANNEL_<NAME> names.",
        examples=[{"raw": {"dataset": "houses:3"}, "prices": {"object": "inputs/default/prices.csv"}}],
    )
    outputs: dict[str, DatasetName] = Field(
        min_length=1,
        max_length=20,
        description="Output -> dataset. The one file in the folder MODELYARD_OUTPUT_<NAME> becomes the dataset's next "
        "version; all of them do, or none.",
        examples=[{"train": "houses-train", "test": "houses-test"}],
    )

    @field_validator("outputs")
    @classmethod
    def check_distinct(cls, outputs: dict[str, str]) -> dict[str, str]:
        """Each output makes another dataset."""
        if len(set(outputs.values())) < len(outputs):
            raise ValueError("name another dataset for each output")
        return outputs

    def recipe(self) -> JobRecipe:
        """What it has in common with other jobs, as plain data."""
        return JobRecipe(
            algorithm=JobKind.PROCESSING.value,
            hyperparameters=self.hyperparameters,
            channels={
                name: _reference(source.dataset) for name, source in self.inputs.items() if source.dataset is not None
            },
            seed=self.seed,
        )

    def script(self) -> ScriptRecipe:
        """The rest."""
        sources = {
            name: SourceRef(object=source.object, url=source.url, format=source.format)
            for name, source in self.inputs.items()
            if source.dataset is None
        }
        return replace(self.program(), sources=sources, outputs=self.outputs)


def _reference(text: str) -> DatasetRef:
    name, _, number = text.partition(":")
    return DatasetRef(dataset=name, number=int(number)) if number.isdecimal() else DatasetRef(dataset=text)
