"""Figures of forecasts on windows of series."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.intervals import bootstrap
from modelyard.types.models import Metric
from modelyard.types.serving.forecasts import LEVELS, MEAN, QUANTILES

Array = NDArray[Any]
Score = Callable[[Array, Array], float]

_LOW, _HIGH = LEVELS.index(0.1), LEVELS.index(0.9)


def mase(truth: Array, answers: Array) -> float:
    """Mean absolute error in units of the scale, the last column of `truth` (n, horizon + 1).

    Source: R. Hyndman, A. Koehler, "Another look at measures of forecast accuracy", 2006.
    """
    return float((np.abs(answers - truth[:, :-1]) / truth[:, -1:]).mean())


def smape(truth: Array, answers: Array) -> float:
    """Per cent, 0 to 200; where both are 0 the forecast was right."""
    sizes = np.abs(answers) + np.abs(truth[:, :-1])
    misses = np.abs(answers - truth[:, :-1])
    return float(200 * np.divide(misses, sizes, out=np.zeros_like(sizes), where=sizes > 0).mean())


def rmse(truth: Array, answers: Array) -> float:
    """In the units of the data."""
    return float(np.sqrt(((answers - truth[:, :-1]) ** 2).mean()))


def mae(truth: Array, answers: Array) -> float:
    """In the units of the data."""
    return float(np.abs(answers - truth[:, :-1]).mean())


SCORES: Mapping[str, Score] = {"mase": mase, "smape": smape, "rmse": rmse, "mae": mae}


def measure_forecasts(outputs: Mapping[str, Array], truth: Array) -> tuple[Metric, ...]:
    """SCORES, and `coverage_80`: the share of the values between the quantiles 0.1 and 0.9.

    Windows that follow each other share most of their values, so the intervals draw runs that are a horizon long:
    as many windows of each series, which are told by their scales.

    Args:
        outputs: `mean` (n, horizon), and perhaps `quantiles` (n, levels, horizon), in the order of time.
        truth: (n, horizon + 1): the values and, last, the scale of each series.
    """
    mean = np.asarray(outputs[MEAN], dtype=np.float64)
    found = [_metric(name, score, truth, mean) for name, score in SCORES.items()]
    if QUANTILES in outputs:
        quantiles = np.asarray(outputs[QUANTILES])
        is_inside = (quantiles[:, _LOW] <= truth[:, :-1]) & (truth[:, :-1] <= quantiles[:, _HIGH])
        found.append(_metric("coverage_80", lambda _truth, inside: float(inside.mean()), truth, is_inside))
    return tuple(found)


def window_errors(outputs: Mapping[str, Array], truth: Array) -> NDArray[np.float64]:
    """(n,): mean squared error of each window in units of its scale."""
    misses = (np.asarray(outputs[MEAN], dtype=np.float64) - truth[:, :-1]) / truth[:, -1:]
    return np.asarray((misses**2).mean(axis=1))


def _metric(name: str, score: Score, truth: Array, answers: Array) -> Metric:
    length = answers.shape[1] * len(np.unique(truth[:, -1]))
    runs = np.arange(-(-len(truth) // length))

    def of_runs(drawn: NDArray[np.int64]) -> float:
        rows = (runs[drawn][:, None] * length + np.arange(length)).reshape(-1)
        rows = rows[rows < len(truth)]
        return score(truth[rows], answers[rows])

    low, high = bootstrap(of_runs, len(runs))
    value = score(truth, answers)
    return Metric(name=name, value=value, low=min(low, value), high=max(high, value), n=len(truth))
