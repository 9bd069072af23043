"""How good a model probably is on traffic whose truth is not known yet.

It sees what changed inputs do to the quality, not that the same input now has another truth.
"""

from typing import ClassVar

from modelyard.drift.base import Detection, DetectionSettings, Detector
from modelyard.drift.quality.accuracy import accuracy_estimates
from modelyard.drift.quality.estimates import CalibrationMissingError, Estimate
from modelyard.drift.quality.regression import error_estimates
from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.drift.wording import number, percent
from modelyard.types.monitoring import ColumnFinding, FindingKind, Verdict

_ACCURACY = "accuracy"
_FLOOR_LOSS = {_ACCURACY: 0.02, "mae": 0.1}
_UNITS = {_ACCURACY: "share of answers"}
_WORDS = {"mae": "mean error", "rmse": "root mean squared error"}


def estimate(reference: ReferenceSketch, window: WindowSketch) -> tuple[Estimate, ...]:
    """Of classifiers accuracy and, of two classes, the area under the ROC curve; of regressions MAE and RMSE.

    Raises:
        CalibrationMissingError: the reference does not say how good the model is on which rows, or the window lacks
            the columns that it goes by.
    """
    found = accuracy_estimates(reference, window) or error_estimates(reference, window)
    if not found:
        raise CalibrationMissingError(
            "Quality cannot be estimated: it is not known on which rows the model is how good",
            hint="Train the model here, and leave the columns that its errors depend on unmasked.",
        )
    return found


class EstimatedQualityDetector(Detector):
    """Alarms when the estimated quality is certainly and clearly below what it was on rows with known truth."""

    name: ClassVar[str] = "estimated-quality"
    description: ClassVar[str] = "Accuracy or error estimated from inputs and answers, before any truth is known."

    def detect(self, reference: ReferenceSketch, window: WindowSketch, settings: DetectionSettings) -> Detection:
        """One verdict; less than 2 points of accuracy, or 10 % of the mean error, are no loss.

        Raises:
            CalibrationMissingError: nothing can be estimated.
        """
        if window.rows < max(1, settings.minimum_rows):
            return settings.too_few(window.rows)
        estimates = [each for each in estimate(reference, window) if each.usual is not None]
        main = estimates[0]
        is_drifted = main.p_value <= settings.alpha and main.loss >= _FLOOR_LOSS[main.metric]
        text = _text(main)
        return Detection(
            verdict=Verdict.DRIFT if is_drifted else Verdict.NO_DRIFT,
            sentence=f"{text[0].upper()}{text[1:]}." if is_drifted else f"No loss: {text}.",
            findings=tuple(_finding(each, is_drifted=is_drifted and each is main) for each in estimates),
        )


def _finding(found: Estimate, *, is_drifted: bool) -> ColumnFinding:
    return ColumnFinding(
        column=found.metric,
        kind=FindingKind.QUALITY,
        is_drifted=is_drifted,
        effect=round(max(0.0, found.loss), 6),
        effect_unit=_UNITS.get(found.metric, "share of the usual error"),
        p_value=found.p_value,
        description=_text(found),
    )


def _text(found: Estimate) -> str:
    """With its band, beside the figure on known truth."""
    shown = percent if found.metric == _ACCURACY else number
    value, low, high, usual = (shown(each or 0.0) for each in (found.value, found.low, found.high, found.usual))
    return f"estimated {_WORDS.get(found.metric, found.metric)} is {value} ({low} to {high}) instead of {usual}"
