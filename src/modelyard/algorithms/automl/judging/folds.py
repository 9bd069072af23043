"""Cross-validation of one candidate: fitted to all folds but one, judged on that one, in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.automl.judging.latency import latency_ms
from modelyard.algorithms.automl.judging.objectives import Objective
from modelyard.algorithms.automl.rows import Rows
from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.tables.encoding import Encoder, fit_encoder
from modelyard.algorithms.tables.members import Kind, fit_member
from modelyard.algorithms.tables.models import Model, Problem
from modelyard.types.signatures import Scalar

_VALIDATION_PART = 8  # one of so many rows: a tenth of all, as in a training job that holds a fifth out
_HOPELESS = 3.0
"""A candidate goes no further that is worse than the best by so many standard errors on the folds that both have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of it.

    Attributes:
        scores: of each fold that was judged.
        is_dropped: it was so far behind that the rest was spared.
        answers: (n, outputs) float32 for each row by the model that had not seen it; NaN where there is none.
        fit_seconds: of one fold, on average.
        latency_ms: of one row.
    """

    scores: tuple[float, ...]
    is_dropped: bool
    answers: NDArray[np.float32]
    fit_seconds: float
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """How candidates are judged. `fold` says for each row in which it is (`rows.deal`)."""

    rows: Rows
    fold: NDArray[np.int64]
    objective: Objective
    seed: int

    @property
    def count(self) -> int:
        """Folds."""
        return int(self.fold.max()) + 1

    def judge(
        self, kind: Kind, given: Mapping[str, Scalar], context: TrainingContext, bar: Sequence[float] = ()
    ) -> Tried:
        """Judge one candidate.

        Args:
            kind: the algorithm.
            given: its complete hyper-parameters.
            context: of the job.
            bar: scores of the best one so far; with them a hopeless candidate is dropped.
        """
        answers = np.full((self.rows.count, self.rows.outputs), np.nan, dtype=np.float32)
        scores: list[float] = []
        seconds = 0.0
        is_dropped = False
        for fold in range(self.count):
            judged = np.flatnonzero(self.fold == fold)
            encoder, problem = self.problem(np.flatnonzero(self.fold != fold), int(str(given["max_categories"])))
            begin = perf_counter()
            model = fit_member(kind, problem, given, context)
            seconds += perf_counter() - begin
            inputs = self.rows.part(judged)
            answers[judged] = answer(model, encoder, inputs, is_classifier=self.rows.classes is not None)
            scores.append(self.objective.score(self.rows.target[judged], answers[judged].astype(np.float64)))
            is_dropped = fold + 1 < self.count and self._is_hopeless(scores, bar)
            if is_dropped or fold + 1 == self.count:
                break
        return Tried(
            scores=tuple(scores),
            is_dropped=is_dropped,
            answers=answers,
            fit_seconds=seconds / len(scores),
            latency_ms=latency_ms(model, encoder, self.rows, inputs),
        )

    def problem(self, numbers: NDArray[np.int64], max_categories: int) -> tuple[Encoder, Problem]:
        """Some rows as a problem, a part of them set aside for early stopping."""
        tensors = self.rows.part(numbers)
        encoder = fit_encoder(tensors, max_categories=max_categories, is_scaled=False)
        features, target = encoder.transform(tensors), self.rows.target[numbers]
        order = np.random.default_rng(self.seed).permutation(len(numbers))
        validation, train = np.sort(order[::_VALIDATION_PART]), np.delete(order, np.s_[::_VALIDATION_PART])
        train.sort()
        return encoder, Problem(
            features=features[train],
            target=target[train],
            weights=np.ones(len(train), dtype=np.float32),
            classes=self.rows.outputs if self.rows.classes is not None else 0,
            validation_features=features[validation],
            validation_target=target[validation],
            numeric=encoder.numeric,
        )

    def _is_hopeless(self, scores: Sequence[float], bar: Sequence[float]) -> bool:
        if len(bar) < self.count:
            return False
        best = np.array([self.objective.loss(each) for each in bar])
        mine = np.array([self.objective.loss(each) for each in scores])
        error = best.std(ddof=1) / np.sqrt(len(best))
        return bool(mine.mean() > best[: len(mine)].mean() + _HOPELESS * error + 1e-12)


def answer(model: Model, encoder: Encoder, inputs: Mapping[str, Any], *, is_classifier: bool) -> NDArray[np.float32]:
    """Probabilities (n, classes), or values (n, 1)."""
    scores = np.asarray(model.scores(encoder.transform(inputs)), dtype=np.float64)
    if not is_classifier:
        return scores.astype(np.float32)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)
