"""How good a classifier probably is on traffic whose truth is not known yet.

The confidences of the window, in the bins of the reference, times how often the model was right at each of them when
the truth was known. It sees what changed inputs do to the quality, not that the same input now has another truth.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from modelyard.drift.base import Detection, DetectionSettings, Detector
from modelyard.drift.features import CONFIDENCE, PROBABILITY
from modelyard.drift.quality.calibration import expected_auc
from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.drift.sketches import NumberSketch
from modelyard.drift.wording import percent
from modelyard.errors import InvalidStateError
from modelyard.types.monitoring import ColumnFinding, FindingKind, Verdict

_Z = 1.959963984540054
_FLOOR_LOSS = 0.02


class CalibrationMissingError(InvalidStateError):
    """The reference does not say how often the model is right at which confidence."""

    code = "drift_calibration_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One metric, and where its true value lies in 95 of 100 cases, by chance and by calibration (None: unknown)."""

    metric: str
    value: float
    low: float | None
    high: float | None
    rows: int


def estimate(reference: ReferenceSketch, window: WindowSketch) -> tuple[Estimate, ...]:
    """Expected accuracy, and of two classes the area under the ROC curve.

    Raises:
        CalibrationMissingError: the reference has no calibration, or the window no confidences.
    """
    counts = _counts(window, CONFIDENCE)
    if CONFIDENCE not in reference.calibrations or counts is None:
        raise CalibrationMissingError(
            "Quality cannot be estimated: it is not known how often the model is right at which confidence",
            hint="Train the model here, on a task with classes: its reference then holds a calibration.",
        )
    rows = int(counts.sum())
    value, error = reference.calibrations[CONFIDENCE].expected(counts)
    low, high = max(0.0, value - _Z * error), min(1.0, value + _Z * error)
    found = [Estimate(metric="accuracy", value=value, low=low, high=high, rows=rows)]
    for name, calibration in reference.calibrations.items():
        counts = _counts(window, name)
        area = expected_auc(calibration, counts) if name.startswith(PROBABILITY) and counts is not None else None
        if area is not None:
            found.append(Estimate(metric="roc_auc", value=area, low=None, high=None, rows=rows))
    return tuple(found)


class EstimatedQualityDetector(Detector):
    """Alarms when the accuracy that the confidences promise is certainly and clearly below the reference's."""

    name: ClassVar[str] = "estimated-quality"
    description: ClassVar[str] = "Accuracy estimated from calibrated confidences, before any truth is known."

    def detect(self, reference: ReferenceSketch, window: WindowSketch, settings: DetectionSettings) -> Detection:
        """One verdict; a loss of less than 2 points is none.

        Raises:
            CalibrationMissingError: nothing can be estimated.
        """
        from scipy.special import ndtr  # noqa: PLC0415 - takes half a second to load

        if window.rows < max(1, settings.minimum_rows):
            return settings.too_few(window.rows)
        accuracy = estimate(reference, window)[0]
        calibration = reference.calibrations[CONFIDENCE]
        before, before_error = calibration.expected(np.asarray(reference.numbers[CONFIDENCE].counts))
        _, error = calibration.expected(np.asarray(_counts(window, CONFIDENCE)))
        loss = before - accuracy.value
        p_value = float(ndtr(-loss / np.hypot(error, before_error)))
        text = (
            f"estimated accuracy is {percent(accuracy.value)} ({percent(accuracy.low or 0)} to "
            f"{percent(accuracy.high or 0)}) instead of {percent(before)}"
        )
        is_drifted = p_value <= settings.alpha and loss >= _FLOOR_LOSS
        finding = ColumnFinding(
            column="accuracy",
            kind=FindingKind.QUALITY,
            is_drifted=is_drifted,
            effect=round(max(0.0, loss), 6),
            effect_unit="share of answers",
            p_value=p_value,
            description=text,
        )
        sentence = f"{text[0].upper()}{text[1:]}." if is_drifted else f"No loss: {text}."
        return Detection(
            verdict=Verdict.DRIFT if is_drifted else Verdict.NO_DRIFT, sentence=sentence, findings=(finding,)
        )


def _counts(window: WindowSketch, name: str) -> np.ndarray | None:
    sketch = window.columns.get(name)
    return np.asarray(sketch.counts) if isinstance(sketch, NumberSketch) and sketch.count else None
