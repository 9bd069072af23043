"""Metrics that XGBoost's container adds to the library's own, by the names that `eval_metric` has for them.

Source: docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Scores = NDArray[np.float32]
_Metric = Callable[[Any, Any], Any]
_EVEN = 0.5
_ERRORS = ("mse",)
"""Of the added metrics: the less, the better."""


def _metrics() -> Mapping[str, tuple[_Metric, bool]]:
    """Name -> function of truth and answers, and whether the answers are classes."""
    from sklearn import metrics  # noqa: PLC0415 - each job loads what it needs

    averaged = {
        f"{name}_{average}": (partial(function, average=average, zero_division=0), True)
        for name, function in (
            ("f1", metrics.f1_score),
            ("precision", metrics.precision_score),
            ("recall", metrics.recall_score),
        )
        for average in ("binary", "macro", "micro")
    }
    return {
        "accuracy": (metrics.accuracy_score, True),
        "balanced_accuracy": (metrics.balanced_accuracy_score, True),
        "f1": averaged["f1_macro"],
        "precision": averaged["precision_binary"],
        "recall": averaged["recall_binary"],
        **averaged,
        "mse": (metrics.mean_squared_error, False),
        "r2": (metrics.r2_score, False),
    }


def split(names: Sequence[str], objective: str) -> tuple[list[str], Any]:
    """Those that the library knows, and a function for `custom_metric` of the others; None: there are none."""
    known = _metrics()
    own = [name for name in names if name in known]

    def measure(scores: _Scores, matrix: Any) -> list[tuple[str, float]]:
        truth = matrix.get_label()
        answers = {True: _classes(scores, objective), False: scores}
        return [(name, float(known[name][0](truth, answers[known[name][1]]))) for name in own]

    return [name for name in names if name not in known], measure if own else None


def is_more_better(names: Sequence[str]) -> bool | None:
    """Which way the metric goes that early stopping looks at, the last of the added ones; None: the library knows."""
    added = [name for name in names if name in _metrics()]
    return added[-1] not in _ERRORS if added else None


def _classes(scores: _Scores, objective: str) -> Any:
    if scores.ndim > 1:
        return scores.argmax(axis=1)
    if objective == "multi:softmax":
        return scores
    return (scores > (0.0 if objective == "binary:logitraw" else _EVEN)).astype(np.int64)
