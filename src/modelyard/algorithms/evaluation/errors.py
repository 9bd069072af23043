"""Errors of numeric answers: RMSE, MAE, R2 and the mean error, with intervals that cost one pass over the rows."""

import math

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.intervals import Z, mean_interval
from modelyard.types.evaluation.reports import Figure


def error_figures(predicted: NDArray[np.floating], truth: NDArray[np.floating]) -> tuple[Figure, ...]:
    """rmse, mae, r2 and mean_error of n > 0 rows, (n,) each."""
    actual = truth.astype(np.float64)
    errors = predicted.astype(np.float64) - actual
    rows = len(errors)
    square, square_low, square_high = mean_interval(errors**2)
    size, size_low, size_high = mean_interval(np.abs(errors))
    mean, low, high = mean_interval(errors)
    return (
        Figure(
            name="rmse",
            value=math.sqrt(square),
            low=math.sqrt(max(0.0, square_low)),
            high=math.sqrt(square_high),
            n=rows,
        ),
        Figure(name="mae", value=size, low=max(0.0, size_low), high=size_high, n=rows),
        _r2(errors**2, actual),
        Figure(name="mean_error", value=mean, low=low, high=high, n=rows),
    )


def _r2(squares: NDArray[np.float64], actual: NDArray[np.float64]) -> Figure:
    """1 - mean square / variance of the truth; its interval by the delta method on these two means."""
    rows = len(squares)
    deviations = (actual - actual.mean()) ** 2
    variance = float(deviations.mean())
    if variance == 0:
        return Figure(name="r2", value=None, n=rows, note="the truth does not vary")
    ratio = float(squares.mean()) / variance
    spread = float(np.std(squares - ratio * deviations, ddof=1)) / variance / math.sqrt(rows) if rows > 1 else 0.0
    return Figure(name="r2", value=1 - ratio, low=1 - ratio - Z * spread, high=min(1.0, 1 - ratio + Z * spread), n=rows)
