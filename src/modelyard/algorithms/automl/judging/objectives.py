"""The figures by which candidates are compared, over rows that they were not fitted to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import metrics

from modelyard.algorithms.automl.errors import AutoMLInvalidError
from modelyard.algorithms.automl.tasks.base import Subject, outputs_of
from modelyard.algorithms.evaluation.series.figures import SCORES
from modelyard.types.models import Task

Array = NDArray[Any]
Score = Callable[[Array, Array], float]

_BINARY = 2
LOG_LOSS = "log_loss"
_LOSSES = (LOG_LOSS, "rmse", "mae", "mase", "smape")
_LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """`score(truth, answers)`: class numbers (n,) and probabilities (n, classes), or values (n,) and (n, 1).

    Of forecasts (n, horizon + 1), the last one the scale, and (n, horizon).
    """

    name: str
    is_maximised: bool
    score: Score

    def loss(self, score: float) -> float:
        """Smaller is better."""
        return -score if self.is_maximised else score


def find_objective(name: str, subject: Subject) -> Objective:
    """The objective of that name; "": the usual one of the task.

    Raises:
        AutoMLInvalidError: the task has no such figure.
    """
    count = 0 if subject.classes is None else outputs_of(subject)
    is_forecast = subject.task is Task.FORECASTING
    known = SCORES if is_forecast else _known(count)
    usual = "mase" if is_forecast else {0: "rmse", _BINARY: "roc_auc"}.get(count, "log_loss")
    chosen = name or usual
    if chosen not in known:
        raise AutoMLInvalidError(
            f"There is no objective '{chosen[:40]}' for this target", hint=f"Choose one of {', '.join(known)}."
        )
    return Objective(name=chosen, is_maximised=chosen not in _LOSSES, score=known[chosen])


def _known(classes: int) -> Mapping[str, Score]:
    if not classes:
        return {
            "rmse": lambda truth, answers: float(np.sqrt(np.mean((answers[:, 0] - truth) ** 2))),
            "mae": lambda truth, answers: float(np.mean(np.abs(answers[:, 0] - truth))),
            "r2": lambda truth, answers: float(metrics.r2_score(truth, answers[:, 0])),
        }
    known: dict[str, Score] = {
        "accuracy": lambda truth, answers: float(np.mean(answers.argmax(axis=1) == truth)),
        "balanced_accuracy": _balanced_accuracy,
        "macro_f1": lambda truth, answers: float(metrics.f1_score(truth, answers.argmax(axis=1), average="macro")),
        LOG_LOSS: _log_loss,
    }
    if classes == _BINARY:
        known["roc_auc"] = _roc_auc
    return known


def _log_loss(truth: Array, answers: Array) -> float:
    given = answers[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(given, _LEAST_PROBABILITY)).mean())


def _balanced_accuracy(truth: Array, answers: Array) -> float:
    is_right = answers.argmax(axis=1) == truth
    return float(np.mean([is_right[truth == each].mean() for each in np.unique(truth)]))


def _roc_auc(truth: Array, answers: Array) -> float:
    """By ranks: a hundredth of the time of scikit-learn's curve, and ensembles ask for it hundreds of times."""
    positive = truth == 1
    above, below = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(answers[:, 1])[positive].sum()
    return float((ranks - above * (above + 1) / 2) / (above * below))
