"""Do the probabilities mean what they say? Reliability bins, expected calibration error, Brier score, log loss."""

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.intervals import RESAMPLES, SEED, mean_interval, wilson
from modelyard.types.evaluation.reports import CalibrationBin, Figure

BINS = 10
LEAST_PROBABILITY = 1e-7


def calibration_bins(confidence: NDArray[np.floating], is_right: NDArray[np.bool_]) -> tuple[CalibrationBin, ...]:
    """Rows by how sure the model was of its answer, in BINS bins of equal width; empty bins are left out.

    Args:
        confidence: (n,) probability that the model gave its answer.
        is_right: (n,) whether the answer was right.
    """
    place = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    rows = np.bincount(place, minlength=BINS)
    rights = np.bincount(place, weights=is_right, minlength=BINS).astype(np.int64)
    sums = np.bincount(place, weights=confidence, minlength=BINS)
    found = []
    for index in np.flatnonzero(rows).tolist():
        n, right = int(rows[index]), int(rights[index])
        low, high = wilson(right, n)
        found.append(
            CalibrationBin(
                low=index / BINS,
                high=(index + 1) / BINS,
                n=n,
                confidence=float(sums[index]) / n,
                accuracy=right / n,
                accuracy_low=low,
                accuracy_high=high,
            )
        )
    return tuple(found)


def calibration_error(bins: tuple[CalibrationBin, ...]) -> Figure:
    """Expected calibration error: mean distance of confidence and accuracy over the bins, weighted by their rows.

    Chance alone makes it larger than 0, the more so the fewer rows there are: look at the interval's lower end.
    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    counts = np.array([each.n for each in bins])
    rights = np.array([round(each.accuracy * each.n) for each in bins])
    confidence = np.array([each.confidence for each in bins])
    rows = int(counts.sum())
    value = float(np.abs(rights - confidence * counts).sum() / rows)
    random = np.random.default_rng(SEED)
    cells = np.concatenate([rights, counts - rights]) / rows
    drawn = random.multinomial(rows, cells / cells.sum(), size=RESAMPLES)
    right, wrong = drawn[:, : len(bins)], drawn[:, len(bins) :]
    errors = np.abs(right - confidence * (right + wrong)).sum(axis=1) / rows
    low, high = np.percentile(errors, [2.5, 97.5])
    return Figure(
        name="calibration_error", value=value, low=min(float(low), value), high=max(float(high), value), n=rows
    )


def probability_scores(given: NDArray[np.floating], brier: NDArray[np.floating]) -> tuple[Figure, Figure]:
    """log_loss and brier_score as means with intervals.

    Args:
        given: (n,) probability that the model gave the true class; 0 for a class that it does not know.
        brier: (n,) sum over the classes of the squared distances to the truth, as `brier_of_rows` gives it.
    """
    losses = -np.log(np.maximum(given.astype(np.float64), LEAST_PROBABILITY))
    found = []
    for name, values in (("log_loss", losses), ("brier_score", brier.astype(np.float64))):
        mean, low, high = mean_interval(values)
        found.append(Figure(name=name, value=mean, low=max(0.0, low), high=high, n=len(values)))
    return found[0], found[1]


def brier_of_rows(probabilities: NDArray[np.floating], given: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each row's squared distance of the probabilities (n, k) to the truth, whose probabilities were `given` (n,).

    Source: G. Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.
    """
    wide = probabilities.astype(np.float64)
    squares: NDArray[np.float64] = np.einsum("nk,nk->n", wide, wide) - 2 * given + 1
    return np.maximum(squares, 0.0)
