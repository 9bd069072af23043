"""Is the second model better than the first on the same rows? Exact and permutation tests for paired answers."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.margins import Paired, PairedErrors, PairedRights
from modelyard.algorithms.evaluation.metrics import is_right
from modelyard.algorithms.evaluation.series.figures import window_errors
from modelyard.types.models import Task

_PERMUTATIONS = 2000
_SEED = 20_260_101
_MANY_ROWS = 50_000  # the mean of so many is normal, and 2,000 permutations of them would take a minute

Outputs = Mapping[str, NDArray[Any]]
Scores = NDArray[Any]
"""(n,): whether each answer is right (bool), or its squared error (float64)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`difference` above 0: the second model is better. `p_value` is two-sided."""

    difference: float
    p_value: float


def compare(task: str, first: Outputs, second: Outputs, truth: NDArray[Any]) -> Comparison:
    """Compare two models' answers to the same rows.

    Classification: difference of the accuracies, exact McNemar test. Regression and forecasts: by how much the
    root mean squared error is smaller, sign-flip permutation test on the squared errors.
    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", 1947.
    """
    if task in _ERRORS:
        return _compare_errors(_ERRORS[task](first, truth), _ERRORS[task](second, truth))
    before, after = is_right(first, truth), is_right(second, truth)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return Comparison(difference=(gained - lost) / len(truth), p_value=binomial_p_value(gained, lost))


def scores(task: str, outputs: Outputs, truth: NDArray[Any]) -> Scores:
    """How good each answer is, (n,): whether it is right (bool), or its squared error."""
    if task in _ERRORS:
        return _ERRORS[task](outputs, truth)
    return is_right(outputs, truth)


def evidence(first: Scores, second: Scores) -> Paired:
    """What two models' scores of the same rows say, for tests of any margin."""
    rows = len(first)
    if first.dtype.kind == "b":
        return PairedRights(rows=rows, gained=int((second & ~first).sum()), lost=int((first & ~second).sum()))
    covariance = np.cov(first, second) if rows > 1 else np.zeros((2, 2))
    return PairedErrors(
        rows=rows,
        first_mean=float(first.mean()),
        second_mean=float(second.mean()),
        first_variance=float(covariance[0, 0]),
        second_variance=float(covariance[1, 1]),
        covariance=float(covariance[0, 1]),
    )


def binomial_p_value(gained: int, lost: int) -> float:
    """Two-sided exact p-value of that many wins and losses when both are equally likely."""
    from scipy.special import bdtr  # noqa: PLC0415 - 0.2 s that the control process must not wait for at its start

    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def squared_errors(outputs: Outputs, truth: NDArray[Any]) -> NDArray[np.float64]:
    """Of a regressor's answers, (n,)."""
    predicted = np.asarray(outputs["prediction"], dtype=np.float64).reshape(-1)
    squares: NDArray[np.float64] = (predicted - truth.astype(np.float64)) ** 2
    return squares


_ERRORS: Mapping[str, Callable[[Outputs, NDArray[Any]], NDArray[np.float64]]] = {
    Task.TABULAR_REGRESSION: squared_errors,
    Task.FORECASTING: window_errors,
}


def _compare_errors(before: NDArray[np.float64], after: NDArray[np.float64]) -> Comparison:
    gains = before - after
    random = np.random.default_rng(_SEED)
    observed = abs(gains.mean())
    difference = float(np.sqrt(before.mean()) - np.sqrt(after.mean()))
    if len(gains) > _MANY_ROWS:
        error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
        p_value = math.erfc(observed / error / math.sqrt(2)) if error > 0 else 1.0
        return Comparison(difference=difference, p_value=p_value)
    signs = (random.integers(0, 2, len(gains)) * 2 - 1 for _ in range(_PERMUTATIONS))
    as_large = sum(bool(abs((sign * gains).mean()) >= observed) for sign in signs)
    return Comparison(difference=difference, p_value=(as_large + 1) / (_PERMUTATIONS + 1))
