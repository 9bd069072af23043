"""Held-out metrics of a task, with their intervals."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.intervals import bootstrap, wilson
from modelyard.algorithms.evaluation.series.figures import measure_forecasts
from modelyard.algorithms.preparation.classes import texts
from modelyard.types.models import Metric, Task

CLASSIFICATION = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc")
REGRESSION = ("rmse", "mae", "r2")

_LEAST_PROBABILITY = 1e-7

Array = NDArray[Any]
Rows = NDArray[np.int64]


def measure(task: str, outputs: Mapping[str, Array], truth: Array, class_names: tuple[str, ...]) -> tuple[Metric, ...]:
    """All metrics that these answers allow.

    Args:
        task: a types.models.Task; regression and forecasts are measured as such, everything else as classification.
        outputs: the model's answers, n rows: "label" and perhaps "probabilities", or "prediction", or "mean" and
            perhaps "quantiles".
        truth: (n,), n > 0; of forecasts (n, horizon + 1), see series.figures.measure_forecasts.
        class_names: what the columns of "probabilities" mean.
    """
    if task == Task.FORECASTING:
        return measure_forecasts(outputs, truth)
    if task == Task.TABULAR_REGRESSION:
        return _regression(np.asarray(outputs["prediction"]).reshape(-1), truth)
    return _classification(outputs, truth, class_names)


def is_right(outputs: Mapping[str, Array], truth: Array) -> NDArray[np.bool_]:
    """Which rows a classifier answered rightly, (n,)."""
    right: NDArray[np.bool_] = texts(np.asarray(outputs["label"])) == texts(truth)
    return right


def _classification(outputs: Mapping[str, Array], truth: Array, class_names: tuple[str, ...]) -> tuple[Metric, ...]:
    right = is_right(outputs, truth)
    rows = len(right)
    low, high = wilson(int(right.sum()), rows)
    found = [Metric(name="accuracy", value=float(right.mean()), low=low, high=high, n=rows)]
    pairs = np.concatenate([texts(truth), texts(np.asarray(outputs["label"]))])
    numbers = np.unique(pairs.astype(str), return_inverse=True)[1]
    actual, answered = numbers[:rows], numbers[rows:]
    found.append(_metric("balanced_accuracy", lambda index: _balanced(actual[index], answered[index]), rows))
    found.append(_metric("macro_f1", lambda index: _macro_f1(actual[index], answered[index]), rows))
    if "probabilities" in outputs and class_names:
        found.extend(_probabilistic(np.asarray(outputs["probabilities"]), texts(truth), class_names))
    return tuple(found)


def _probabilistic(probabilities: Array, truth: Array, class_names: tuple[str, ...]) -> list[Metric]:
    rows = len(truth)
    column = {name: index for index, name in enumerate(texts(np.array(class_names, dtype=object)))}
    places = np.array([column.get(name, -1) for name in truth])
    given = np.where(places >= 0, probabilities[np.arange(rows), places], 0.0)
    losses = -np.log(np.maximum(given.astype(np.float64), _LEAST_PROBABILITY))
    found = [_metric("log_loss", lambda index: float(losses[index].mean()), rows)]
    if len(class_names) == 2 and {0, 1} <= set(places.tolist()):  # noqa: PLR2004 - the curve is of two classes
        scores = probabilities[:, 1]
        found.append(_metric("roc_auc", lambda index: _roc_auc(scores[index], places[index] == 1), rows))
    return found


def _regression(predicted: Array, truth: Array) -> tuple[Metric, ...]:
    errors = predicted.astype(np.float64) - truth.astype(np.float64)
    squares, sizes, actual = errors**2, np.abs(errors), truth.astype(np.float64)
    rows = len(errors)
    return (
        _metric("rmse", lambda index: float(np.sqrt(squares[index].mean())), rows),
        _metric("mae", lambda index: float(sizes[index].mean()), rows),
        _metric("r2", lambda index: _r2(squares[index], actual[index]), rows),
    )


def _metric(name: str, figure: Callable[[Rows], float], rows: int) -> Metric:
    low, high = bootstrap(figure, rows)
    value = figure(np.arange(rows))
    return Metric(name=name, value=value, low=min(low, value), high=max(high, value), n=rows)


def _balanced(actual: Array, answered: Array) -> float:
    """Mean recall over the classes that occur."""
    totals = np.bincount(actual)
    rights = np.bincount(actual[actual == answered], minlength=len(totals))
    occurs = totals > 0
    return float((rights[occurs] / totals[occurs]).mean())


def _macro_f1(actual: Array, answered: Array) -> float:
    """Mean F1 over the classes that occur or were answered."""
    count = int(max(actual.max(), answered.max())) + 1
    rights = np.bincount(actual[actual == answered], minlength=count)
    both = np.bincount(actual, minlength=count) + np.bincount(answered, minlength=count)
    return float((2 * rights[both > 0] / both[both > 0]).mean())


def _roc_auc(scores: Array, is_positive: NDArray[np.bool_]) -> float:
    """Chance that a positive row scores above a negative one; ties count half. 0.5 if there is only one class."""
    positives, negatives = np.sort(scores[is_positive]), np.sort(scores[~is_positive])
    if not len(positives) or not len(negatives):
        return 0.5
    below = np.searchsorted(negatives, positives, side="left")
    up_to = np.searchsorted(negatives, positives, side="right")
    return float((below + up_to).sum() / (2.0 * len(positives) * len(negatives)))


def _r2(squares: Array, actual: Array) -> float:
    """Share of the variance explained; 0 where there is none to explain."""
    variance = float(actual.var())
    return 1.0 - float(squares.mean()) / variance if variance > 0 else 0.0
