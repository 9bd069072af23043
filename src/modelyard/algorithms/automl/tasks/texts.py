"""Tables whose one column of texts tells the class."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.automl.judging.latency import graph_latency_ms
from modelyard.algorithms.automl.spaces import Space
from modelyard.algorithms.automl.tasks.base import Answered, Numbers, Subject, deal, probabilities, shares
from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.preparation.classes import Classes, class_findings, find_classes
from modelyard.algorithms.tables.tensors import CATEGORICAL, input_specs
from modelyard.algorithms.texts.loading import TextTable, load_texts
from modelyard.algorithms.texts.models import TextModel, fit_text_model
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.automl.reports import DataProfile
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar, Signature
from modelyard.types.tuning.searches import Range

_ALGORITHM = "text-classification"
_FOLDS = 5
_SPACE = Space(
    ranges={
        "features": Range(values=("words", "characters", "both")),
        "method": Range(values=("logistic", "naive-bayes")),
        "longest_words": Range(low=1, high=3, is_whole=True),
        "longest_characters": Range(low=3, high=5, is_whole=True),
        "regularisation": Range(low=1e-3, high=3.0, is_log=True),
    },
    fixed={},
    cheap={"features": "words", "method": "logistic", "longest_words": 1},
)
_START: tuple[Mapping[str, Scalar], ...] = (
    {"features": "words", "longest_words": 1, "regularisation": 1.0},
    {"features": "both"},
    {"features": "words", "method": "naive-bayes"},
    {"features": "characters"},
    {"features": "both", "regularisation": 0.02},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSubject:
    """See Subject. `texts` (n,) are those that are not held out."""

    table: TextTable
    texts: NDArray[Any]
    target: NDArray[np.int64]
    classes: Classes
    held_out_rows: int
    shared: Mapping[str, Scalar]
    task: Task = Task.TEXT_CLASSIFICATION
    ensemble: str = ""

    @property
    def start(self) -> tuple[tuple[str, Mapping[str, Scalar]], ...]:
        """See Subject."""
        return tuple((_ALGORITHM, given) for given in _START)

    def spaces(self) -> Mapping[str, Space]:
        """See Subject."""
        return {_ALGORITHM: _SPACE}

    def deal(self, seed: int) -> Numbers:
        """See Subject."""
        return deal(self.target, _FOLDS, 1, seed)

    def half(self, fold: Numbers) -> tuple[Subject, Numbers]:
        """See Subject."""
        keep = np.flatnonzero((np.arange(len(self.target)) % 2 == 0) | (fold[0] < 0))
        return replace(self, texts=self.texts[keep], target=self.target[keep]), fold[:, keep]

    def fit(
        self,
        algorithm: str,  # noqa: ARG002 - there is one
        given: Mapping[str, Scalar],
        learnt: Numbers,
        judged: Numbers,
        context: TrainingContext,
    ) -> Answered:
        """See Subject."""
        begin = perf_counter()
        weights = np.ones(len(learnt), dtype=np.float32)
        model = fit_text_model(self.texts[learnt].tolist(), self.target[learnt], weights, given, context.seed)
        seconds = perf_counter() - begin
        texts = self.texts[judged]
        return Answered(
            answers=probabilities(model.scores(texts.tolist())),
            seconds=seconds,
            latency_ms=lambda: self._latency_ms(model, texts[:1]),
        )

    def apart(self, learnt: Numbers, judged: Numbers) -> Numbers:  # noqa: ARG002 - no row comes before another one
        """See Subject."""
        return learnt

    def guess(self, learnt: Numbers, judged: Numbers) -> NDArray[np.float64]:
        """See Subject."""
        return shares(self, learnt, judged)

    def profile(self, seed: int) -> DataProfile:  # noqa: ARG002 - nothing is drawn
        """See Subject."""
        rows = self.table.table.select([self.table.column]).group_by(self.table.column).aggregate([]).num_rows
        labels = self.classes.values[self.target]
        counts = np.bincount(self.target, minlength=len(self.classes.values)) / len(self.target)
        return DataProfile(
            rows=len(self.table.labels),
            held_out_rows=self.held_out_rows,
            duplicate_rows=len(self.table.labels) - rows,
            conflicting_rows=0,
            classes={name: round(float(n), 4) for name, n in zip(self.classes.names, counts, strict=True)},
            warnings=tuple(class_findings(labels, labels)),
        )

    def _latency_ms(self, model: TextModel, text: NDArray[Any]) -> float:
        graph = Graph()
        graph.classify(model.nodes(graph), self.classes.values)
        signature = Signature(inputs=input_specs((), (self.table.column,)), outputs=self.classes.outputs)
        return graph_latency_ms(graph.to_bytes(signature), {CATEGORICAL: text[:, None]})


def open_texts(channel: Channel, target: str | None, recipe: AutoMLRecipe) -> TextSubject:
    """Read a table of texts.

    Raises:
        InvalidInputError: it cannot be learnt from; the message says which column and why.
    """
    table = load_texts(channel, target, recipe.text)
    is_held_out = table.split(recipe.holdout_share, str(target), is_trial=False).holdout
    classes, numbers = find_classes(table.labels[~is_held_out], f"The target '{target}'")
    return TextSubject(
        table=table,
        texts=table.texts[~is_held_out],
        target=numbers,
        classes=classes,
        held_out_rows=int(is_held_out.sum()),
        shared={"holdout_share": recipe.holdout_share, "text_column": table.column},
    )
