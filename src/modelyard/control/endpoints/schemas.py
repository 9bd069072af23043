"""Request bodies of endpoints."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from modelyard.control.endpoints.rollouts.plans import RolloutSpec
from modelyard.control.endpoints.variants import MAXIMUM_REPLICAS
from modelyard.types.endpoints import CaptureRules, Masking, Scaling
from modelyard.types.processes import Resources
from modelyard.types.serving.answers import AnswerForm

_SHARE = "Share of the requests that are recorded, 0 to 1: what monitors and retraining look at."


class VariantSpec(BaseModel):
    """One model version behind the endpoint."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="main", description="Name of the variant, yours to choose.", examples=["main"])
    model: str = Field(
        description='Which model version: "digits:2", "digits@champion", or "digits" for the newest. Looked up now: an '
        "alias that moves later moves nothing here.",
        examples=["digits:2"],
    )
    number: int | None = Field(
        default=None, ge=1, description="The version's number, when `model` is a bare name (as in the answers)."
    )
    weight: float = Field(
        default=1.0, description="Relative share of the traffic; 0 keeps it loaded without traffic.", examples=[1]
    )
    replicas: int = Field(
        default=1, description="How many serve it at the same time, each in another process.", examples=[1]
    )
    resources: Resources = Field(
        default=Resources(), description="Limits of each of its processes; `cpus` is also its number of threads."
    )

    is_isolated: bool = Field(
        default=False,
        description="Give each of its replicas a process without other models; small ones share theirs otherwise.",
    )
    answers: AnswerForm = Field(
        default=AnswerForm.NAMED,
        description="How /invocations writes its answers: empty, the platform's own form; `value`, `label`, `score`, "
        "`predicted-label`, `probabilities`, `scores`, `projections` or `columns`, those of SageMaker's built-in "
        "algorithms.",
    )
    title: str = Field(default="", max_length=63, description="What AWS's clients call the variant; empty: its name.")

    @property
    def ref(self) -> str:
        """The version as the registry looks it up."""
        return self.model if self.number is None else f"{self.model}:{self.number}"


class ScalingSpec(BaseModel):
    """Between which numbers the replicas of each variant change by themselves, and why."""

    model_config = ConfigDict(extra="forbid")

    minimum_replicas: int = Field(
        default=1, ge=0, le=MAXIMUM_REPLICAS, description="As few as this; 0: none while nobody asks.", examples=[0]
    )
    maximum_replicas: int = Field(
        default=1, ge=1, le=MAXIMUM_REPLICAS, description="As many as this, however many requests come.", examples=[4]
    )
    idle_seconds: float = Field(
        default=300.0, ge=1, description="Without a request for this long it goes down to the minimum."
    )
    p99_ms: float | None = Field(
        default=None,
        gt=0,
        description="99 of 100 answers shall come within this time: replicas are added before the prediction says "
        "otherwise. Null: they are added so that each is busy for two thirds of the time at most.",
        examples=[20.0],
    )

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """The minimum is not above the maximum."""
        if self.minimum_replicas > self.maximum_replicas:
            raise ValueError("minimum_replicas is above maximum_replicas")
        return self

    def to_scaling(self) -> Scaling:
        """As plain data."""
        return Scaling(**self.model_dump())


class CaptureSpec(BaseModel):
    """What is kept of the endpoint's captures, and for how long."""

    model_config = ConfigDict(extra="forbid")

    retention_days: float | None = Field(
        default=None, gt=0, description="Older captures are deleted; null: the platform's setting.", examples=[30]
    )
    personal_columns: dict[str, Masking] = Field(
        default_factory=dict,
        description="Columns (or whole tensors) that hold personal data, and what the gateway does to them before it "
        "writes a capture: `hash` (text and 64-bit integers; equal values stay equal) or `drop`.",
        examples=[{"email": "hash", "age": "drop"}],
    )

    def to_rules(self) -> CaptureRules:
        """As plain data."""
        return CaptureRules(**self.model_dump())


_CAPTURE = "Rules for what is recorded, all of them together; null"
_WARM = "Keep its replicas however long nobody asks, whatever the idle policy of the project or the platform says."
_SCALING = "Let the number of replicas follow the requests; null"


class EndpointCreate(BaseModel):
    """A new endpoint."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Part of the address that applications call; it never changes.", examples=["digits"])
    variants: list[VariantSpec] = Field(description="The model versions that share its traffic; most often one.")
    capture_share: float | None = Field(
        default=None, ge=0, le=1, description=f"{_SHARE} Null: the platform's setting.", examples=[1.0]
    )
    capture: CaptureSpec | None = Field(default=None, description=f"{_CAPTURE}: nothing is personal.")
    scaling: ScalingSpec | None = Field(default=None, description=f"{_SCALING}: each variant's number is fixed.")
    stays_warm: bool = Field(default=False, description=_WARM)


class EndpointUpdate(BaseModel):
    """A change. What is left out stays."""

    model_config = ConfigDict(extra="forbid")

    variants: list[VariantSpec] | None = Field(
        default=None,
        description="All variants as they shall be. New versions are made ready first, then take over the traffic; if "
        "they do not get ready, everything stays as it is.",
    )
    weights: dict[str, float] | None = Field(
        default=None,
        description="New weights of variants that are there, by variant name.",
        examples=[{"main": 9, "new": 1}],
    )
    capture_share: float | None = Field(default=None, ge=0, le=1, description=_SHARE, examples=[0.1])
    capture: CaptureSpec | None = Field(default=None, description=f"{_CAPTURE}: as they were.")
    scaling: ScalingSpec | None = Field(default=None, description=f"{_SCALING}: as it was. `scale` fixes it again.")
    stays_warm: bool | None = Field(default=None, description=f"{_WARM} Null: as it was.")
    rollout: RolloutSpec | None = Field(
        default=None, description="How other variants take over; null: all at once, as soon as they are ready."
    )


class Scale(BaseModel):
    """Another number of replicas, which then stays: the end of scaling by itself."""

    model_config = ConfigDict(extra="forbid")

    replicas: int = Field(description="How many processes serve the variant, from 1 on.", examples=[2])
    variant: str | None = Field(default=None, description="Which variant; null for every one.", examples=["main"])
