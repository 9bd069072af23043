"""How often a classifier is probably right: the confidences of a window, times what each was worth on known truth."""

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.features import CONFIDENCE, PROBABILITY
from modelyard.drift.quality.calibration import expected_auc
from modelyard.drift.quality.estimates import Estimate
from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.drift.sketches import NumberSketch

_Z = 1.959963984540054


def accuracy_estimates(reference: ReferenceSketch, window: WindowSketch) -> tuple[Estimate, ...]:
    """Expected accuracy, and of two classes the area under the ROC curve; nothing where it cannot be known."""
    from scipy.special import ndtr  # noqa: PLC0415 - takes half a second to load

    counts = _counts(window, CONFIDENCE)
    if CONFIDENCE not in reference.calibrations or counts is None:
        return ()
    rows = int(counts.sum())
    calibration = reference.calibrations[CONFIDENCE]
    value, error = calibration.expected(counts)
    usual, usual_error = calibration.expected(np.asarray(reference.numbers[CONFIDENCE].counts))
    accuracy = Estimate(
        metric="accuracy",
        value=value,
        low=max(0.0, value - _Z * error),
        high=min(1.0, value + _Z * error),
        rows=rows,
        usual=usual,
        loss=usual - value,
        p_value=float(ndtr((value - usual) / np.hypot(error, usual_error))),
    )
    return (accuracy, *_areas(reference, window, rows))


def _areas(reference: ReferenceSketch, window: WindowSketch, rows: int) -> list[Estimate]:
    found = []
    for name, calibration in reference.calibrations.items():
        counts = _counts(window, name)
        area = expected_auc(calibration, counts) if name.startswith(PROBABILITY) and counts is not None else None
        if area is not None:
            found.append(Estimate(metric="roc_auc", value=area, low=None, high=None, rows=rows))
    return found


def _counts(window: WindowSketch, name: str) -> NDArray[np.int64] | None:
    sketch = window.columns.get(name)
    return np.asarray(sketch.counts) if isinstance(sketch, NumberSketch) and sketch.count else None
