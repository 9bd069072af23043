"""What is said about quality on traffic whose truth is not known."""

from dataclasses import dataclass

from modelyard.errors import InvalidStateError


class CalibrationMissingError(InvalidStateError):
    """The reference does not say how good the model is on which rows."""

    code = "drift_calibration_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One metric, and where its true value lies in 95 of 100 cases, by chance and by calibration (None: unknown).

    Attributes:
        rows: that the true value would be measured on.
        usual: the value on the rows with known truth; None: not known.
        loss: how much worse than usual: for accuracy the difference, for errors the share of the usual error.
        p_value: chance of such a loss if the quality is as usual.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    rows: int
    usual: float | None = None
    loss: float = 0.0
    p_value: float = 1.0
