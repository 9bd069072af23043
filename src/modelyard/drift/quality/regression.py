"""How large a regression's errors probably are on a window: what the reference's error model expects of its rows.

Judged on the window's sample of rows, so the cost does not grow with the traffic.
"""

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.quality.error_model import GROUPS
from modelyard.drift.quality.estimates import Estimate
from modelyard.drift.reference import ReferenceSketch, WindowSketch

_Z = 1.959963984540054


def error_estimates(reference: ReferenceSketch, window: WindowSketch) -> tuple[Estimate, ...]:
    """Expected mean |error| and root mean squared error; nothing where they cannot be known."""
    model, sample = reference.errors, window.sample
    if model is None or not sample.rows or not set(model.columns) <= set(sample.columns):
        return ()
    expected = model.expected(sample.columns)
    by_row = expected.mean(axis=0)
    chances = np.stack([np.maximum(by_row[:, 1] - by_row[:, 0] ** 2, 0), model.spread * by_row[:, 1] ** 2], axis=1)
    errors = _standard_errors(expected, chances.mean(axis=0), window.rows)
    values = by_row.mean(axis=0)
    usual = np.array([model.mae, model.mse])
    usual_errors = np.array([model.mae_error, model.mse_error])
    p_values = _p_values(values - usual, np.hypot(errors, usual_errors))
    bands = np.stack([np.maximum(values - _Z * errors, 0), values + _Z * errors])
    figures = np.stack([values, *bands, usual], axis=1)
    return (
        _estimate("mae", figures[0], p_values[0], window.rows),
        _estimate("rmse", np.sqrt(figures[1]), p_values[1], window.rows),
    )


def _standard_errors(expected: NDArray[np.float64], chance: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Of both means: what the fits do not know, what the sample does not show, and what chance does to the rows.

    Args:
        expected: (fits, n, 2).
        chance: mean variance of a row's figures around what is expected of it, (2,).
        rows: of the window that the n were sampled from.
    """
    fits = expected.mean(axis=1)
    unknown = (GROUPS - 1) / GROUPS * np.square(fits - fits.mean(axis=0)).sum(axis=0)
    sampled = expected.shape[1]
    unseen = expected.mean(axis=0).var(axis=0) / sampled * max(0.0, 1 - sampled / rows)
    return np.asarray(np.sqrt(unknown + unseen + chance / rows))


def _p_values(gaps: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import ndtr  # noqa: PLC0415 - takes half a second to load

    return np.asarray(ndtr(-gaps / np.maximum(errors, 1e-300)))


def _estimate(metric: str, figures: NDArray[np.float64], p_value: float, rows: int) -> Estimate:
    value, low, high, usual = map(float, figures)
    loss = value / usual - 1 if usual else 0.0
    return Estimate(
        metric=metric, value=value, low=low, high=high, rows=rows, usual=usual, loss=loss, p_value=float(p_value)
    )
