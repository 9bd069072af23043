"""How a version's answers are scored against the truth, and what score is to be expected of it."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from modelyard.control.feedback.labelled import LabelledRows
from modelyard.control.feedback.service import label
from modelyard.control.monitors.errors import QualityUnknownError
from modelyard.drift.wording import number, percent
from modelyard.types.models import ModelVersion

_ERROR_RANGE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a version's answers are scored: 1 is right; an error of `largest` or more is 0."""

    metric: str
    baseline: float | None
    largest: float = 1.0

    @classmethod
    def of(cls, made: ModelVersion) -> Self:
        """From the version's own held-out figures: the worst that their intervals allow is what is tested against."""
        figures = {metric.name: metric for metric in made.manifest.card.metrics if metric.split == "holdout"}
        if any(spec.name == "prediction" for spec in made.manifest.signature.outputs):
            error = figures.get("mae")
            if error is None:
                raise QualityUnknownError(
                    f"{made.model}:{made.number} says nowhere how large its errors were",
                    hint="Register it with the metric 'mae' of the split 'holdout' on its card.",
                )
            worst = error.high if error.high is not None else error.value
            return cls(metric="mae", baseline=1 - 1 / _ERROR_RANGE, largest=_ERROR_RANGE * max(worst, 1e-12))
        accuracy = figures.get("accuracy")
        if accuracy is None:
            return cls(metric="accuracy", baseline=None)
        return cls(metric="accuracy", baseline=accuracy.low if accuracy.low is not None else accuracy.value)

    def worse_by(self, margin: float) -> Self:
        """A scale that expects this much less: a difference of accuracies, a share of the mean error."""
        if self.baseline is None:
            return self
        lost = margin if self.is_accuracy else margin * (1 - self.baseline)
        return replace(self, baseline=self.baseline - lost)

    @property
    def is_accuracy(self) -> bool:
        """Of labels, not of numbers."""
        return self.metric == "accuracy"

    def scores(self, rows: LabelledRows) -> NDArray[np.float64]:
        """One score a labelled row, (n,); rows whose answer or truth is no number count as fully wrong."""
        if self.is_accuracy:
            answers = rows.outputs["label"].reshape(-1).tolist() if "label" in rows.outputs else []
            if len(answers) != len(rows.labels):
                return np.zeros(0)
            return np.array([label(a) == label(t) for a, t in zip(answers, rows.labels, strict=True)], dtype=np.float64)
        predicted = rows.outputs["prediction"].reshape(-1).astype(np.float64)
        truth = np.array([_float(value) for value in rows.labels])
        errors = np.abs(predicted - truth) / self.largest
        return np.asarray(1.0 - np.where(np.isfinite(errors), np.minimum(errors, 1.0), 1.0))

    def word(self, score: float) -> str:
        """A score as the metric: accuracy, or the mean error (large ones cut off)."""
        return percent(score) if self.is_accuracy else number((1 - score) * self.largest)

    def words(self, mean: float, low: float, high: float) -> str:
        """A mean score with its interval, as the metric."""
        ends = sorted((low, high), reverse=not self.is_accuracy)
        name = "accuracy is" if self.is_accuracy else "the mean error is"
        return f"{name} {self.word(mean)} ({self.word(ends[0])} to {self.word(ends[1])})"


def _float(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")
