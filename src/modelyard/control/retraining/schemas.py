"""Request bodies of retraining policies."""

from pydantic import BaseModel, ConfigDict, Field

_GAIN = (
    "The new version must be better on the new rows by at least this much: as a difference for accuracy and other "
    "shares (0.02 is two points), as a share of the running version's error for RMSE and MAE (0.02 is 2 % less)."
)
_LOSS = "On the held-out part of the old data the new version may be worse by at most this much (same units)."


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
    is_enabled: bool = Field(default=True, description="Start by itself; by hand it starts anyway.")


class PolicyUpdate(BaseModel):
    """What may change about a policy; what is left out stays. Switching it on again forgets earlier failures."""

    model_config = ConfigDict(extra="forbid")

    minimum_new_labels: int | None = Field(default=None, ge=1, le=10_000_000, description="See creation.")
    minimum_gain: float | None = Field(default=None, ge=-1, le=1, description=_GAIN)
    maximum_loss: float | None = Field(default=None, ge=0, le=1, description=_LOSS)
    cooldown_seconds: float | None = Field(default=None, ge=0, le=366 * 86400, description="See creation.")
    is_enabled: bool | None = Field(default=None, description="See creation.")
