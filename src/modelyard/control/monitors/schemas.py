"""Request bodies of monitors."""

from pydantic import BaseModel, ConfigDict, Field

_MAXIMUM_ROWS = 1_000_000


class MonitorCreate(BaseModel):
    """A new monitor."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 lower-case letters, digits, '.', '_' or '-'.", examples=["digits-drift"])
    endpoint: str = Field(description="Whose traffic to watch.", examples=["digits"])
    detector: str = Field(
        default="drift",
        description="What to compare with the reference data of the version that serves: `drift` (inputs and "
        "predictions), `input-drift`, `prediction-drift`.",
        examples=["drift"],
    )
    interval_seconds: float = Field(
        default=3600, ge=1, le=31 * 86400, description="Time from one check to the next.", examples=[3600]
    )
    minimum_rows: int = Field(
        default=100, ge=20, le=_MAXIMUM_ROWS, description="With fewer rows in the window there is no verdict."
    )
    window_rows: int = Field(
        default=1000, ge=20, le=_MAXIMUM_ROWS, description="How many of the newest rows a check looks at."
    )
    alarms_per_week: float = Field(
        default=1.0,
        gt=0,
        le=10_000,
        description="False alarms a week that you accept while nothing drifts. Fewer alarms: a drift must be clearer.",
    )
    is_enabled: bool = Field(default=True, description="Run on schedule; by hand it runs anyway.")


class MonitorUpdate(BaseModel):
    """What may change about a monitor; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    detector: str | None = Field(default=None, description="See creation.")
    interval_seconds: float | None = Field(default=None, ge=1, le=31 * 86400, description="See creation.")
    minimum_rows: int | None = Field(default=None, ge=20, le=_MAXIMUM_ROWS, description="See creation.")
    window_rows: int | None = Field(default=None, ge=20, le=_MAXIMUM_ROWS, description="See creation.")
    alarms_per_week: float | None = Field(default=None, gt=0, le=10_000, description="See creation.")
    is_enabled: bool | None = Field(default=None, description="See creation.")
