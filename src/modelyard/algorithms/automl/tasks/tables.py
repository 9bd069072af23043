"""Tables of numbers and categories."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.automl.judging.latency import latency_ms
from modelyard.algorithms.automl.profiling import profile
from modelyard.algorithms.automl.rows import Rows, load_rows
from modelyard.algorithms.automl.spaces import Space, start, table_spaces
from modelyard.algorithms.automl.tasks.base import Answered, Answers, Numbers, Subject, deal, probabilities, shares
from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.preparation.classes import Classes
from modelyard.algorithms.tables.encoding import Encoder, fit_encoder
from modelyard.algorithms.tables.members import CLASSIFIERS, REGRESSORS, fit_member
from modelyard.algorithms.tables.models import Model, Problem
from modelyard.algorithms.tables.trees import rounds_of
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.automl.reports import DataProfile
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

_VALIDATION_PART = 8  # one of so many rows: a tenth of all, as in a training job that holds a fifth out
_FOLDS, _FEWER_FOLDS, _MANY_ROWS = 5, 3, 50_000
_REPETITIONS = ((500, 3), (1000, 2))
"""With fewer rows than this the folds are dealt so often: one deal of few rows is a matter of luck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSubject:
    """See Subject."""

    rows: Rows
    channel: Channel
    target_name: str
    shared: Mapping[str, Scalar]

    @property
    def task(self) -> Task:
        """See Subject."""
        return self.rows.task

    @property
    def target(self) -> NDArray[Any]:
        """See Subject."""
        return self.rows.target

    @property
    def classes(self) -> Classes | None:
        """See Subject."""
        return self.rows.classes

    @property
    def start(self) -> tuple[tuple[str, dict[str, Scalar]], ...]:
        """See Subject."""
        return start(is_classifier=self.classes is not None, rows=self.rows.count)

    @property
    def ensemble(self) -> str:
        """See Subject."""
        return "ensemble-regression" if self.classes is None else "ensemble-classification"

    def spaces(self) -> Mapping[str, Space]:
        """See Subject."""
        return table_spaces(is_classifier=self.classes is not None)

    def deal(self, seed: int) -> Numbers:
        """See Subject."""
        folds = _FOLDS if self.rows.count < _MANY_ROWS else _FEWER_FOLDS
        repetitions = next((times for rows, times in _REPETITIONS if self.rows.count < rows), 1)
        return deal(self.target, folds, repetitions, seed)

    def half(self, fold: Numbers) -> tuple[Subject, Numbers]:
        """See Subject."""
        keep = np.flatnonzero((np.arange(self.rows.count) % 2 == 0) | (fold[0] < 0))
        rows = replace(self.rows, tensors=self.rows.part(keep), target=self.target[keep])
        return replace(self, rows=rows), fold[:, keep]

    def fit(
        self, algorithm: str, given: Mapping[str, Scalar], learnt: Numbers, judged: Numbers, context: TrainingContext
    ) -> Answered:
        """See Subject."""
        kind = (REGRESSORS if self.classes is None else CLASSIFIERS)[algorithm]
        encoder, problem = self._problem(learnt, int(str(given["max_categories"])), context.seed)
        begin = perf_counter()
        model = fit_member(kind, problem, given, context)
        seconds = perf_counter() - begin
        inputs = self.rows.part(judged)
        return Answered(
            answers=self._answers(model, encoder, inputs),
            seconds=seconds,
            latency_ms=lambda: latency_ms(model, encoder, self.rows, inputs),
            settled=rounds_of(model) if kind.learner(given).has_validation else {},
        )

    def apart(self, learnt: Numbers, judged: Numbers) -> Numbers:  # noqa: ARG002 - no row comes before another one
        """See Subject."""
        return learnt

    def guess(self, learnt: Numbers, judged: Numbers) -> NDArray[np.float64]:
        """See Subject."""
        return shares(self, learnt, judged)

    def profile(self, seed: int) -> DataProfile:
        """See Subject."""
        return profile(self.channel, self.rows, self.target_name, seed)

    def _problem(self, numbers: Numbers, max_categories: int, seed: int) -> tuple[Encoder, Problem]:
        """Some rows as a problem, a part of them set aside for early stopping."""
        tensors = self.rows.part(numbers)
        encoder = fit_encoder(tensors, max_categories=max_categories, is_scaled=False)
        features, target = encoder.transform(tensors), self.target[numbers]
        order = np.random.default_rng(seed).permutation(len(numbers))
        validation, train = np.sort(order[::_VALIDATION_PART]), np.delete(order, np.s_[::_VALIDATION_PART])
        train.sort()
        return encoder, Problem(
            features=features[train],
            target=target[train],
            weights=np.ones(len(train), dtype=np.float32),
            classes=0 if self.classes is None else self.rows.outputs,
            validation_features=features[validation],
            validation_target=target[validation],
            numeric=encoder.numeric,
        )

    def _answers(self, model: Model, encoder: Encoder, inputs: Mapping[str, Any]) -> Answers:
        scores = np.asarray(model.scores(encoder.transform(inputs)), dtype=np.float64)
        return scores.astype(np.float32) if self.classes is None else probabilities(scores)


def open_table(channel: Channel, target: str | None, recipe: AutoMLRecipe) -> TableSubject:
    """Read a table.

    Raises:
        InvalidInputError: it cannot be learnt from; the message says which column and why.
    """
    rows = load_rows(channel, target, recipe.task, recipe.holdout_share)
    shared: Mapping[str, Scalar] = {"holdout_share": recipe.holdout_share}
    return TableSubject(rows=rows, channel=channel, target_name=str(target), shared=shared)
