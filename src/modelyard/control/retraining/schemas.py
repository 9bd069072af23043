"""Request bodies of retraining policies."""

from pydantic import BaseModel, ConfigDict, Field

_GAIN = (
    "The new version must be better on the new rows by at least this much: as a difference for accuracy and other "
    "shares (0.02 is two points), as a share of the running version's error for RMSE and MAE (0.02 is 2 % less)."
)
_LOSS = "On the held-out part of the old data the new version may be worse by at most this much (same units)."


class GateRequest(BaseModel):
    """How certain the proof of a new version must be, and what a replay of captured requests may show."""

    model_config = ConfigDict(extra="forbid")

    significance_level: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="A claim is proven if chance alone would bring about what was seen with at most this probability. "
        "0.5 compares the bare figures.",
    )
    maximum_slice_loss: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="In any one part of the data (region = 'north') the new version may be worse by at most this much.",
    )
    replay_requests: int = Field(
        default=1000, ge=0, le=100_000, description="Captured requests to send to both versions; 0: no replay."
    )
    minimum_replay_requests: int = Field(default=50, ge=1, le=100_000, description="Fewer requests cannot tell.")
    is_replay_required: bool = Field(
        default=False, description="Refuse a version when the replay could not tell; otherwise go on and say so."
    )
    maximum_slowdown: float = Field(
        default=1.5, ge=1, le=1000, description="CPU time of a request, as a multiple of the running version's."
    )
    slowdown_floor_ms: float = Field(
        default=0.2, ge=0, le=60_000, description="A request that costs less than this much more is not slower."
    )


class PolicyCreate(BaseModel):
    """A new retraining policy."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 lower-case letters, digits, '.', '_' or '-'.", examples=["digits-retrain"])
    endpoint: str = Field(description="Whose model to retrain.", examples=["digits"])
    monitor: str | None = Field(
        default=None,
        description="A monitor of the same endpoint: its DRIFT verdict, together with enough new labels, starts a run. "
        "Null: enough new labels alone do.",
        examples=["digits-drift"],
    )
    minimum_new_labels: int = Field(
        default=200, ge=1, le=10_000_000, description="Labelled captured rows, newer than the last run, to start one."
    )
    minimum_gain: float = Field(default=0.01, ge=-1, le=1, description=_GAIN)
    maximum_loss: float = Field(default=0.02, ge=0, le=1, description=_LOSS)
    cooldown_seconds: float = Field(
        default=3600, ge=0, le=366 * 86400, description="Pause after a run before the next starts by itself."
    )
    gate: GateRequest = Field(default_factory=GateRequest, description="How certain the proof must be.")
    is_enabled: bool = Field(default=True, description="Start by itself; by hand it starts anyway.")


class PolicyUpdate(BaseModel):
    """What may change about a policy; what is left out stays. Switching it on again forgets earlier failures."""

    model_config = ConfigDict(extra="forbid")

    minimum_new_labels: int | None = Field(default=None, ge=1, le=10_000_000, description="See creation.")
    minimum_gain: float | None = Field(default=None, ge=-1, le=1, description=_GAIN)
    maximum_loss: float | None = Field(default=None, ge=0, le=1, description=_LOSS)
    cooldown_seconds: float | None = Field(default=None, ge=0, le=366 * 86400, description="See creation.")
    gate: GateRequest | None = Field(default=None, description="Of its fields, too, those left out stay.")
    is_enabled: bool | None = Field(default=None, description="See creation.")
