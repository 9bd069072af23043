"""Request bodies of models."""

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from modelyard.types.models import DataReference, Lineage, Manifest, Metric
from modelyard.types.signatures import Scalar


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("the character U+0000 is no text")
    return text


StoredText = Annotated[str, Field(max_length=20_000), AfterValidator(_storable)]
Tag = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_storable)]
Tags = Annotated[list[Tag], Field(max_length=100)]


class ModelCreate(BaseModel):
    """A new model, still without versions."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        description="1 to 63 lower-case letters, digits, '.', '_' or '-'. Endpoints and people use it.",
        examples=["digits"],
    )
    description: StoredText = Field(
        default="",
        description="What it is for, for those who look for a model.",
        examples=["Reads handwritten digits."],
    )
    tags: Tags = Field(default=[], description="Words to find it by.", examples=[["vision", "demo"]])


class ModelUpdate(BaseModel):
    """What may change about a model. What is left out stays."""

    model_config = ConfigDict(extra="forbid")

    description: StoredText | None = Field(default=None, description="What it is for.", examples=["Reads digits."])
    tags: Tags | None = Field(
        default=None, description="Words to find it by; replaces all of them.", examples=[["vision"]]
    )


class CardFields(BaseModel):
    """Fields of the model card. Those that are given replace those of the manifest."""

    model_config = ConfigDict(extra="forbid")

    task: str = Field(
        default="", min_length=1, description="What the model does.", examples=["image-classification"], max_length=100
    )
    description: StoredText = Field(
        default="", description="What the model is.", examples=["A network on 8 x 8 pixels."]
    )
    intended_use: StoredText = Field(default="", description="What it is meant for.", examples=["Reading postcodes."])
    limitations: StoredText = Field(default="", description="What it cannot do.", examples=["Fails on rotated digits."])
    licence: str = Field(default="", description="SPDX name of the licence.", examples=["Apache-2.0"], max_length=200)
    algorithm: str = Field(default="", description="What trained it.", examples=["xgboost"], max_length=200)
    hyperparameters: dict[str, Scalar] = Field(
        default={}, description="What it was trained with.", examples=[{"epochs": 20}]
    )
    metrics: list[Metric] = Field(
        default=[],
        description="Measured figures with 95 % intervals. Discovery compares those with split 'holdout'.",
        examples=[[{"name": "accuracy", "value": 0.97, "low": 0.95, "high": 0.98, "n": 360}]],
    )
    training_data: list[DataReference] = Field(default=[], description="Dataset versions that it was trained on.")
    findings: list[str] = Field(default=[], description="What was noticed about data or training.")
    tags: Tags = Field(default=[], description="Words to find this version by.", examples=[["vision"]])
    custom: dict[str, Scalar] = Field(
        default={}, description="Anything else; found as custom.<name>.", examples=[{"team": "vision"}]
    )


class VersionCreate(BaseModel):
    """A new version from uploaded files: a whole bundle, or the artifact alone."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, str] = Field(
        description="Path in the bundle -> id of the upload with its content. A single file without a manifest is a "
        "bare artifact: signature, golden requests and the rest are inferred from it in a sandbox.",
        examples=[{"model.onnx": "upload-01k0000000000000000000000"}],
    )
    manifest: Manifest | None = Field(
        default=None, description="Replaces the file manifest.json; needed if neither that file nor inference will do."
    )
    card: CardFields = Field(default=CardFields.model_construct(), description="Changes to the manifest's card.")
    lineage: Lineage = Field(default=Lineage(), description="Where the version came from.")


class BuildCreate(BaseModel):
    """What to compile a version to."""

    model_config = ConfigDict(extra="forbid")

    target: str = Field(description="`cpu`, `cpu-int8`, `cuda`, `arm64` or `c`.", examples=["cpu-int8"], max_length=100)
    tolerance: FiniteFloat = Field(
        default=1e-5,
        gt=0,
        le=1,
        description="How far numbers may differ from the original's: absolute, and relative above 1.",
        examples=[0.01],
    )


class AliasPut(BaseModel):
    """Where an alias points."""

    model_config = ConfigDict(extra="forbid")

    number: int = Field(ge=1, le=10**9, description="Number of the version.", examples=[2])


class EvaluationPut(BaseModel):
    """A verdict on a version."""

    model_config = ConfigDict(extra="forbid")

    is_passed: bool = Field(description="Whether the version passed.")
    reason: StoredText = Field(
        description="Why, in a sentence.", examples=["Accuracy 0.97 is above the floor of 0.95."]
    )
    figures: dict[str, FiniteFloat] = Field(
        default={}, description="The numbers behind it.", examples=[{"accuracy": 0.97}]
    )
    at: AwareDatetime | None = Field(default=None, description="When it was judged; now if left out.")


class DeploymentPut(BaseModel):
    """What an endpoint serves."""

    model_config = ConfigDict(extra="forbid")

    refs: list[str] = Field(
        max_length=100, description="Model versions; none if it serves nothing any more.", examples=[["digits:2"]]
    )
