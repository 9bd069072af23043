"""Truth against answer as counts: all that accuracy, F1 and cost need, however many rows there were."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.intervals import RESAMPLES, SEED, Z, wilson
from modelyard.algorithms.preparation.classes import texts
from modelyard.types.evaluation.reports import ConfusionCell, Figure

MAX_SHOWN = 20
"""Matrices of more classes are not shown."""

_FEW = 5

Costs = Mapping[str, Mapping[str, float]]
"""Truth -> answer -> what it costs. A right answer that is not named costs 0, a wrong one 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Counts of the pairs that occur. `truth` and `answer` are class numbers in `names`, (c,) each, as is `counts`."""

    names: tuple[str, ...]
    truth: NDArray[np.intp]
    answer: NDArray[np.intp]
    counts: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Rows that were counted."""
        return int(self.counts.sum())

    def figures(self, costs: Costs | None = None) -> tuple[Figure, ...]:
        """accuracy, balanced_accuracy, macro_f1, and cost (mean of a row) if costs are given. `rows` must not be 0."""
        rights = int(self.counts[self.truth == self.answer].sum())
        low, high = wilson(rights, self.rows)
        found = [
            Figure(name="accuracy", value=rights / self.rows, low=low, high=high, n=self.rows),
            self._resampled("balanced_accuracy", self._balanced),
            self._resampled("macro_f1", self._macro_f1),
        ]
        return (*found, self._cost(costs)) if costs is not None else tuple(found)

    def cells(self) -> tuple[ConfusionCell, ...]:
        """For people; empty for more than MAX_SHOWN classes."""
        if len(self.names) > MAX_SHOWN:
            return ()
        pairs = zip(self.truth.tolist(), self.answer.tolist(), self.counts.tolist(), strict=True)
        return tuple(ConfusionCell(truth=self.names[t], predicted=self.names[a], n=n) for t, a, n in pairs)

    def _resampled(self, name: str, measure: Callable[[NDArray[np.int64]], float]) -> Figure:
        """Drawing the counts from their multinomial distribution is the bootstrap of the rows, at any number of them.

        Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 6.
        """
        random = np.random.default_rng(SEED)
        shares = self.counts / self.rows
        value = measure(self.counts)
        drawn = [measure(random.multinomial(self.rows, shares)) for _ in range(RESAMPLES)]
        low, high = np.percentile(drawn, [2.5, 97.5])
        rare = int(np.sum(self._per_class(self.truth, self.counts) < _FEW))
        note = f"{rare} of {len(self.names)} classes have fewer than {_FEW} rows" if rare else ""
        return Figure(
            name=name, value=value, low=min(float(low), value), high=max(float(high), value), n=self.rows, note=note
        )

    def _balanced(self, counts: NDArray[np.int64]) -> float:
        """Mean recall over the classes that occur."""
        totals = self._per_class(self.truth, counts)
        rights = self._per_class(self.truth, np.where(self.truth == self.answer, counts, 0))
        return float((rights[totals > 0] / totals[totals > 0]).mean())

    def _macro_f1(self, counts: NDArray[np.int64]) -> float:
        """Mean F1 over the classes that occur or were answered."""
        both = self._per_class(self.truth, counts) + self._per_class(self.answer, counts)
        rights = self._per_class(self.truth, np.where(self.truth == self.answer, counts, 0))
        return float((2 * rights[both > 0] / both[both > 0]).mean())

    def _cost(self, costs: Costs) -> Figure:
        prices = np.array(
            [
                costs.get(self.names[t], {}).get(self.names[a], float(t != a))
                for t, a in zip(self.truth.tolist(), self.answer.tolist(), strict=True)
            ]
        )
        share = self.counts / self.rows
        mean = float(share @ prices)
        spread = math.sqrt(max(0.0, float(share @ prices**2) - mean * mean) / max(1, self.rows - 1))
        total = mean * self.rows
        return Figure(
            name="cost",
            value=mean,
            low=mean - Z * spread,
            high=mean + Z * spread,
            n=self.rows,
            note=f"{total:,.6g} in all",
        )

    def _per_class(self, classes: NDArray[np.intp], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(classes, weights=counts, minlength=len(self.names)).astype(np.float64)


def confusion(truth: NDArray[Any], answer: NDArray[Any]) -> Confusion:
    """Count pairs of labels, (n,) each, of any type."""
    return coded_confusion(*_coded(texts(truth), texts(answer)))


def coded_confusion(names: tuple[str, ...], truth: NDArray[np.intp], answer: NDArray[np.intp]) -> Confusion:
    """Count pairs of class numbers, (n,) each."""
    pairs, counts = np.unique(truth.astype(np.int64) * len(names) + answer, return_counts=True)
    return _trimmed(names, pairs // len(names), pairs % len(names), counts)


def _trimmed(
    names: tuple[str, ...], truth: NDArray[np.int64], answer: NDArray[np.int64], counts: NDArray[np.int64]
) -> Confusion:
    """Only the classes that occur."""
    present = np.unique(np.concatenate([truth, answer]))
    return Confusion(
        names=tuple(names[number] for number in present.tolist()),
        truth=np.searchsorted(present, truth),
        answer=np.searchsorted(present, answer),
        counts=counts.astype(np.int64),
    )


def _coded(truth: NDArray[Any], answer: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[np.intp], NDArray[np.intp]]:
    names, codes = np.unique(np.concatenate([truth, answer]).astype(str), return_inverse=True)
    return tuple(names.tolist()), codes[: len(truth)], codes[len(truth) :]
