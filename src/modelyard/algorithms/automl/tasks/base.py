"""The contract of a kind of data that AutoML searches over. It knows its algorithms, and fits one to some of the rows.

The search, the cross-validation, the estimate and the training of the winner know nothing else of the data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.automl.spaces import Space
from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.preparation.classes import Classes
from modelyard.types.automl.reports import DataProfile
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

Numbers = NDArray[np.int64]
"""Places of rows."""
Answers = NDArray[np.float32]
"""(n, classes) probabilities, (n, 1) values, or (n, horizon) forecasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A model of some rows, and what it says to others.

    Attributes:
        answers: to the rows that judge it.
        seconds: that fitting took.
        latency_ms: measures how long one row takes.
        settled: hyper-parameters that fitting found out: with them it is trained on all rows.
    """

    answers: Answers
    seconds: float
    latency_ms: Callable[[], float]
    settled: Mapping[str, Scalar] = field(default_factory=dict)


class Subject(Protocol):
    """Rows with a target, held-out ones left out. Immutable.

    Attributes:
        task: what is learnt.
        target: (n,) class numbers int64, or float64 values; of forecasts (n, horizon + 1), the last one the scale.
        classes: what the class numbers mean; None for numbers.
        start: algorithms with hyper-parameters to begin with, the quickest first.
        shared: hyper-parameters that all candidates have.
        ensemble: algorithm that lets several candidates answer together; "" if there is none.
    """

    @property
    def task(self) -> Task: ...  # noqa: D102 - see above
    @property
    def target(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def classes(self) -> Classes | None: ...  # noqa: D102
    @property
    def start(self) -> Sequence[tuple[str, Mapping[str, Scalar]]]: ...  # noqa: D102
    @property
    def shared(self) -> Mapping[str, Scalar]: ...  # noqa: D102
    @property
    def ensemble(self) -> str: ...  # noqa: D102

    def spaces(self) -> Mapping[str, Space]:
        """Algorithm -> where its hyper-parameters are looked for."""

    def deal(self, seed: int) -> Numbers:
        """The fold in which each row is judged, (repetitions, n); -1: in none."""

    def half(self, fold: Numbers) -> "tuple[Subject, Numbers] | None":
        """The same with half of the rows, and their folds; None: that would say nothing."""

    def fit(
        self, algorithm: str, given: Mapping[str, Scalar], learnt: Numbers, judged: Numbers, context: TrainingContext
    ) -> Answered:
        """Fit an algorithm to some rows, and ask it for others."""

    def apart(self, learnt: Numbers, judged: Numbers) -> Numbers:
        """Of `learnt`, those that may be known where `judged` are asked: of a series only what is over by then."""

    def guess(self, learnt: Numbers, judged: Numbers) -> NDArray[np.float64]:
        """What one would answer without a model."""

    def profile(self, seed: int) -> DataProfile:
        """What is in the data, and what to look at before a model of it is believed."""


def outputs_of(subject: Subject) -> int:
    """Numbers that a model answers for a row."""
    if subject.classes is not None:
        return len(subject.classes.values)
    return 1 if subject.target.ndim == 1 else subject.target.shape[1] - 1


def deal(target: NDArray[Any], folds: int, repetitions: int, seed: int) -> Numbers:
    """Folds that have their part of each class, or of the range of values; (repetitions, n).

    Rows of a class that has fewer rows than there are folds are judged in none (-1): they train in all.
    """
    return np.stack([_deal(target, folds, seed + number) for number in range(repetitions)])


def _deal(target: NDArray[Any], folds: int, seed: int) -> Numbers:
    order = np.random.default_rng(seed).permutation(len(target))
    ranked = order[np.argsort(target[order], kind="stable")]
    fold = np.empty(len(target), dtype=np.int64)
    fold[ranked] = np.arange(len(target)) % folds
    if target.dtype.kind == "i":
        fold[np.bincount(target)[target] < folds] = -1
    return fold


def shares(subject: Subject, learnt: Numbers, judged: Numbers) -> NDArray[np.float64]:
    """A guess by the target's distribution alone."""
    seen = subject.target[learnt]
    if subject.classes is None:
        row = np.array([seen.mean()])
    else:
        row = np.bincount(seen, minlength=outputs_of(subject)) / len(seen)
    return np.tile(row, (len(judged), 1))


def probabilities(scores: NDArray[Any]) -> Answers:
    """Softmax of logits (n, classes)."""
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)
