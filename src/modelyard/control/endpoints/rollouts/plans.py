"""Strategies by their usual names, as stages."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from modelyard.control.endpoints.errors import VariantsInvalidError
from modelyard.control.endpoints.records import ServedVersion
from modelyard.types.endpoints import RolloutPlan, RolloutStage, StageKind
from modelyard.types.signatures import Signature, TensorSpec

_DEFAULTS = RolloutPlan()


class Strategy(StrEnum):
    """How the traffic moves once the new replicas are ready.

    all_at_once: all of it, and the old replicas end. blue_green: all of it, and the old replicas stay loaded for a
    stage. canary: a share first. linear: in equal steps. shadow: copies of requests first, then all of it.
    shadow_canary: copies first, then a share.
    """

    ALL_AT_ONCE = "all_at_once"
    BLUE_GREEN = "blue_green"
    CANARY = "canary"
    LINEAR = "linear"
    SHADOW = "shadow"
    SHADOW_CANARY = "shadow_canary"


class RolloutSpec(BaseModel):
    """How new versions take over, and what sends them back."""

    model_config = ConfigDict(extra="forbid")

    strategy: Strategy = Field(
        description="How the traffic moves once the new replicas are ready. all_at_once: all of it. blue_green: all of "
        "it, while the old replicas stay loaded for a stage. canary: a share first. linear: in equal steps. shadow: "
        "copies of requests first. shadow_canary: copies, then a share.",
        examples=["canary"],
    )
    share: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Of the requests, for the first stage of canary and for copies.",
        examples=[0.05],
    )
    copies: float | None = Field(
        default=None, gt=0, le=1, description="Of shadow_canary: share of the requests that is copied; null: `share`."
    )
    steps: int = Field(default=5, ge=2, le=100, description="Of linear: 5 are 20, 40, 60, 80 and 100 %.")
    seconds: float = Field(
        default=_DEFAULTS.seconds, ge=0, le=7 * 86400, description="How long a stage lasts at least."
    )
    requests: int = Field(
        default=_DEFAULTS.requests, ge=0, description="How many the new version must have answered in each stage."
    )
    canary_requests: int | None = Field(
        default=None, ge=0, description="Of shadow_canary: how many in the canary; null: `requests`."
    )
    limit_seconds: float = Field(
        default=_DEFAULTS.limit_seconds,
        gt=0,
        description="A stage that has not got its requests by then ends the rollout: nothing can be said.",
    )
    maximum_error_share: float = Field(
        default=_DEFAULTS.maximum_error_share,
        ge=0,
        le=1,
        description="The new version may fail that much more often than the old one; more sends it back.",
    )
    maximum_slowdown: float = Field(
        default=_DEFAULTS.maximum_slowdown,
        gt=0,
        description="Its batches may take the old one's time as often as this; more sends it back.",
    )
    minimum_agreement: float = Field(
        default=_DEFAULTS.minimum_agreement,
        ge=0,
        le=1,
        description="Share of the copied requests that it must answer as the old one did; 0: it may differ.",
    )
    maximum_loss: float = Field(
        default=_DEFAULTS.maximum_loss,
        ge=0,
        le=1,
        description="Of the answers whose truth is known, that share more may be wrong than with the old version (for "
        "numbers: the RMSE may be larger by that share); more sends it back.",
    )
    needs_approval: bool = Field(default=False, description="A person says whether it takes over after the last stage.")

    def to_plan(self) -> RolloutPlan:
        """As stages."""
        return RolloutPlan(
            stages=self._stages(), **self.model_dump(include={*RolloutPlan.__dataclass_fields__} - {"stages"})
        )

    def _stages(self) -> tuple[RolloutStage, ...]:
        canary = RolloutStage(kind=StageKind.TRAFFIC, share=self.share)
        match self.strategy:
            case Strategy.ALL_AT_ONCE:
                return ()
            case Strategy.BLUE_GREEN:
                return (RolloutStage(kind=StageKind.TRAFFIC, share=1.0),)
            case Strategy.CANARY:
                return (canary,)
            case Strategy.LINEAR:
                shares = [(step + 1) / self.steps for step in range(self.steps)]
                return tuple(RolloutStage(kind=StageKind.TRAFFIC, share=share) for share in shares)
            case Strategy.SHADOW:
                return (RolloutStage(kind=StageKind.SHADOW, share=self.share),)
            case Strategy.SHADOW_CANARY:
                copies = RolloutStage(kind=StageKind.SHADOW, share=self.copies or self.share)
                return (copies, replace(canary, requests=self.canary_requests))


CAREFUL = RolloutSpec(
    strategy=Strategy.SHADOW_CANARY, share=0.01, copies=1.0, canary_requests=0, limit_seconds=86400
).to_plan()
"""Copies of all requests first, then one in a hundred: a version that fails, is slow or answers NaN is found out before
it has answered anybody. The canary needs no number of requests, so that endpoints with little traffic get
through.
"""


def check_alike(versions: Iterable[ServedVersion]) -> None:
    """Nothing if these versions can serve side by side: callers must not notice which one answers.

    Raises:
        VariantsInvalidError: one takes or gives other tensors than another.
    """
    first, *others = versions
    for other in others:
        if _shape(other.signature) != _shape(first.signature):
            raise VariantsInvalidError(
                f"{other.model}:{other.number} takes or gives other tensors than {first.model}:{first.number}, so "
                "they cannot share the traffic in stages",
                hint="Deploy it at an endpoint of its own, or replace the version all at once if the callers know.",
                field="rollout",
            )


def _shape(signature: Signature) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    return [_spec(spec) for spec in signature.inputs], [_spec(spec) for spec in signature.outputs]


def _spec(spec: TensorSpec) -> tuple[object, ...]:
    return spec.name, spec.datatype, spec.shape
