"""Request bodies of script jobs."""

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from modelyard.control.jobs.schemas import ChannelRequest, LimitedRequest, RuledRequest
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import JobKind, JobRecipe
from modelyard.types.scripting.recipes import MetricDefinition, ScriptRecipe
from modelyard.types.signatures import Scalar

Word = Annotated[str, StringConstraints(max_length=10_000)]


class MetricDefinitionRequest(BaseModel):
    """A metric that is read from the output."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="Of the metric.", examples=["loss"])
    regex: str = Field(
        min_length=1,
        max_length=500,
        description="RE2 pattern for a line of output; its first group is the value.",
        examples=["loss=([0-9.]+)"],
    )

    def definition(self) -> MetricDefinition:
        """As plain data."""
        return MetricDefinition(name=self.name, regex=self.regex)


class ProgramRequest(BaseModel):
    """A Python file of a snapshot, or an image, and how its output is read."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(default="", max_length=64, description="Digest of a snapshot; an image may have one as well.")
    entry_point: str = Field(
        default="", max_length=500, description="Python file of the snapshot that is run.", examples=["train.py"]
    )
    image: str = Field(
        default="",
        max_length=500,
        description="Image that is run instead, with its own packages; its digest is found out and kept.",
        examples=["registry.example.com/trainer:3"],
    )
    command: list[Word] = Field(
        default=[], max_length=200, description="Program and arguments in the image; none: what the image says."
    )
    arguments: list[Word] = Field(
        default=[], max_length=200, description="Handed to the entry point behind the hyper-parameters."
    )
    requirements: str = Field(
        default="",
        max_length=200_000,
        description="Content of a requirements file or a lock; without one it runs with the platform's own packages.",
    )
    environment: str = Field(
        default="", max_length=63, description="Name of an environment, in place of requirements.", examples=["spark"]
    )
    python: str = Field(
        default="",
        pattern=r"^(\d+\.\d+)?$",
        description="Version of Python for the requirements; empty: the platform's.",
        examples=["3.12"],
    )
    metrics: list[MetricDefinitionRequest] = Field(
        default=[], max_length=50, description="Metrics to read from the output, beside `modelyard.log_metric`."
    )

    def program(self) -> ScriptRecipe:
        """As plain data."""
        return ScriptRecipe(
            code=self.code,
            entry_point=self.entry_point,
            image=self.image,
            command=tuple(self.command),
            arguments=tuple(self.arguments),
            requirements=self.requirements.strip(),
            environment_name=self.environment,
            python=self.python,
            metrics=tuple(each.definition() for each in self.metrics),
        )


class ProgramJobRequest(ProgramRequest, LimitedRequest):
    """What jobs that run such a program have in common."""

    hyperparameters: dict[str, Scalar] = Field(
        default_factory=dict,
        max_length=200,
        description="Handed over as `--name value`, and as the JSON file that MODELYARD_HYPERPARAMETERS names.",
        examples=[{"epochs": 20}],
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Told to the script as MODELYARD_SEED.")
    retries: int = Field(
        default=0, ge=0, le=4, description="How often it is begun again after it has failed by itself."
    )

    def program(self) -> ScriptRecipe:
        """As plain data."""
        return replace(super().program(), retries=self.retries)


class ScriptJobRequest(ProgramJobRequest, RuledRequest):
    """Run a Python file of a snapshot, or an image."""

    channels: dict[str, ChannelRequest] = Field(
        default_factory=dict,
        max_length=50,
        description="Input data by role: a folder each, which MODELYARD_CHANNEL_<ROLE> names.",
    )
    model: str | None = Field(
        default=None,
        description="Model that gets what is in the folder MODELYARD_MODEL as its next version; made if absent.",
        examples=["churn"],
    )
    dataset: str | None = Field(
        default=None,
        description="Dataset that gets the one file in the folder MODELYARD_OUTPUT as its next version.",
    )

    hosts: int = Field(
        default=1,
        ge=1,
        le=64,
        description="A gang: so many processes, each with these resources, that reach each other; all start or none.",
    )

    def placement(self) -> Placement:
        """As plain data, for all members."""
        return replace(super().placement(), hosts=self.hosts)

    def recipe(self) -> JobRecipe:
        """What it has in common with other jobs, as plain data."""
        return JobRecipe(
            algorithm=JobKind.SCRIPT.value,
            hyperparameters=self.hyperparameters,
            channels={role: channel.ref() for role, channel in self.channels.items()},
            seed=self.seed,
        )

    def script(self) -> ScriptRecipe:
        """The rest."""
        return replace(self.program(), dataset=self.dataset, hosts=self.hosts)
