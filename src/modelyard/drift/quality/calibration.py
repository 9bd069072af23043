"""How often a model is right at each confidence, learnt once from rows with known truth.

With it the accuracy on traffic without truth can be estimated: the traffic's confidences say how many answers of each
kind there are, the calibration how many of these are right.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.sketches import NumberSketch


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Share of hits in each bin of a sketch, never falling from bin to bin, and how many rows say so.

    A hit is a right answer where the column is the confidence, a row of the class where it is a class's probability.
    """

    shares: tuple[float, ...]
    rows: tuple[int, ...]

    def expected(self, counts: NDArray[np.int64]) -> tuple[float, float]:
        """Expected share of hits among rows with these counts per bin, and its standard error.

        The error adds what the calibration does not know for certain to what chance does among so many rows.
        """
        total = int(counts.sum())
        shares, known = np.asarray(self.shares), np.maximum(np.asarray(self.rows), 1)
        weights = counts / total
        doubt = np.maximum(shares * (1 - shares), 1 / (known + 2))  # a bin of hits only is not certain of them
        variance = float((weights**2 * doubt / known).sum() + (weights * shares * (1 - shares)).sum() / total)
        return float(weights @ shares), float(np.sqrt(variance))


def calibrate(sketch: NumberSketch, values: NDArray[Any], hits: NDArray[np.bool_]) -> Calibration:
    """Learn from rows whose truth is known.

    Args:
        sketch: its bins are used.
        values: the column, (n,) float.
        hits: which rows were hits, (n,).

    Source: B. Zadrozny and C. Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates",
    KDD 2002 (isotonic regression).
    """
    from sklearn.isotonic import isotonic_regression  # noqa: PLC0415 - takes a second to load

    places = np.searchsorted(np.asarray(sketch.edges), np.asarray(values, dtype=np.float64), side="left")
    rows = np.bincount(places, minlength=len(sketch.counts))
    right = np.bincount(places, weights=hits.astype(np.float64), minlength=len(sketch.counts))
    filled = np.flatnonzero(rows)
    fitted = isotonic_regression(right[filled] / rows[filled], sample_weight=rows[filled], y_min=0, y_max=1)
    nearest = np.abs(np.arange(len(rows))[:, None] - filled[None, :]).argmin(axis=1)  # bins that no row fell into
    return Calibration(
        shares=tuple(round(float(share), 6) for share in fitted[nearest]), rows=tuple(rows[filled][nearest].tolist())
    )


def expected_auc(calibration: Calibration, counts: NDArray[np.int64]) -> float | None:
    """Expected area under the ROC curve of a class's probability; None where one of the classes is not expected."""
    shares = np.asarray(calibration.shares)
    positive, negative = counts * shares, counts * (1 - shares)
    if positive.sum() <= 0 or negative.sum() <= 0:
        return None
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum()))
