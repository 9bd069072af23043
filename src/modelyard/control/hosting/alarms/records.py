"""What metrics and alarms are kept as."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

BUCKET_SECONDS = 10


class Statistics(NamedTuple):
    """What is known of several values."""

    samples: float
    sum: float
    minimum: float
    maximum: float

    def plus(self, other: "Statistics") -> "Statistics":
        """Of the values of both."""
        return Statistics(
            self.samples + other.samples,
            self.sum + other.sum,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )

    def named(self, statistic: str) -> float:
        """SampleCount, Sum, Average, Minimum or Maximum."""
        values = {
            "SampleCount": self.samples,
            "Sum": self.sum,
            "Average": self.sum / self.samples,
            "Minimum": self.minimum,
            "Maximum": self.maximum,
        }
        return values[statistic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric's name; `dimensions` are sorted."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The values of a metric. `buckets`: start in seconds since 1970, of BUCKET_SECONDS each, -> their statistics."""

    metric: Metric
    unit: str = "None"
    buckets: dict[int, Statistics] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """When a metric is out of bounds.

    Attributes:
        comparison: CloudWatch's name of it (GreaterThanThreshold).
        periods, breaching: so many of the last periods must be out of bounds.
        missing: what a period without a value counts as: missing, breaching, notBreaching or ignore.
    """

    metric: Metric
    statistic: str
    comparison: str
    threshold: float
    period_seconds: int
    periods: int
    breaching: int
    missing: str = "missing"


class AlarmState(StrEnum):
    """CloudWatch's states."""

    OK = "OK"
    ALARM = "ALARM"
    UNKNOWN = "INSUFFICIENT_DATA"


class Standing(NamedTuple):
    """How an alarm stands, and why in a sentence."""

    state: AlarmState
    reason: str
