"""Request bodies of monitors."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_MAXIMUM_ROWS = 1_000_000
_Name = Annotated[str, Field(max_length=63)]


class MonitorCreate(BaseModel):
    """A new monitor."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 lower-case letters, digits, '.', '_' or '-'.", examples=["digits-drift"])
    endpoint: str = Field(description="Whose traffic to watch.", examples=["digits"])
    detectors: list[_Name] = Field(
        default=["drift"],
        min_length=1,
        max_length=8,
        description="What to look for: `drift` (inputs and predictions, column by column), `input-drift`, "
        "`prediction-drift`, `multivariate-drift`, `estimated-quality`, `quality` (once labels come), or a detector of "
        "your own. The false alarms that you accept are shared among them.",
        examples=[["drift", "quality"]],
    )
    interval_seconds: float = Field(
        default=3600, ge=1, le=31 * 86400, description="Time from one check to the next.", examples=[3600]
    )
    cron: str | None = Field(
        default=None,
        max_length=100,
        description="Times of the checks in UTC, instead of `interval_seconds`: minute, hour, day, month, weekday.",
        examples=["0 6 * * 1-5"],
    )
    every_rows: int | None = Field(
        default=None, ge=20, le=_MAXIMUM_ROWS, description="Check after so many new rows, instead of by time."
    )
    baseline: str = Field(
        default="training",
        max_length=80,
        description="What to compare with: `training` (the reference of the version that serves), `previous-week` "
        "(its traffic of the seven days up to yesterday) or `endpoint/NAME` (the newest traffic of another endpoint).",
        examples=["training"],
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
    channels: list[_Name] = Field(
        default=[], max_length=20, description="Alert channels to tell.", examples=[["on-call"]]
    )
    is_enabled: bool = Field(default=True, description="Run on schedule; by hand it runs anyway.")


class MonitorUpdate(BaseModel):
    """What may change about a monitor; what is left out stays. `cron` and `every_rows` go away when they are null."""

    model_config = ConfigDict(extra="forbid")

    detectors: list[_Name] | None = Field(default=None, min_length=1, max_length=8, description="See creation.")
    interval_seconds: float | None = Field(default=None, ge=1, le=31 * 86400, description="See creation.")
    cron: str | None = Field(default=None, max_length=100, description="See creation.")
    every_rows: int | None = Field(default=None, ge=20, le=_MAXIMUM_ROWS, description="See creation.")
    baseline: str | None = Field(default=None, max_length=80, description="See creation.")
    minimum_rows: int | None = Field(default=None, ge=20, le=_MAXIMUM_ROWS, description="See creation.")
    window_rows: int | None = Field(default=None, ge=20, le=_MAXIMUM_ROWS, description="See creation.")
    alarms_per_week: float | None = Field(default=None, gt=0, le=10_000, description="See creation.")
    channels: list[_Name] | None = Field(default=None, max_length=20, description="See creation.")
    is_enabled: bool | None = Field(default=None, description="See creation.")

    def changes(self) -> dict[str, Any]:
        """What was given, by attribute of a Monitor."""
        given = self.model_dump(include=self.model_fields_set)
        kept = {name: value for name, value in given.items() if value is not None or name in ("cron", "every_rows")}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}


class Silence(BaseModel):
    """How long to send no alerts."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime | None = Field(
        description="No alerts before; null: alerts again from now on.",
        examples=[datetime.fromisoformat("2026-01-31T12:00:00+00:00")],
    )
