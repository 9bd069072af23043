"""How two versions' answers to the same rows differ: rows that changed, and the distribution of the answers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.worst_slices import Slice
from modelyard.algorithms.preparation.classes import texts
from modelyard.runtimes.base import Tensors

NOTICEABLE = 0.25
"""An answer that is no label has changed if it moved by more than this share of the spread of all answers."""

LISTED = 5
"""Slices to list."""


@dataclass(slots=True)
class Answers:
    """The answers of both versions to the same rows, collected request by request."""

    first: list[NDArray[Any]] = field(default_factory=list)
    second: list[NDArray[Any]] = field(default_factory=list)

    def add(self, first: Tensors, second: Tensors) -> None:
        """Add a request's answers; what is compared is the label, or else the first output."""
        name = "label" if "label" in first else next(iter(first))
        self.first.append(np.asarray(first[name]))
        self.second.append(np.asarray(second[name]))

    def changed(self) -> NDArray[np.bool_]:
        """Which rows were answered otherwise, (n,); empty where shapes do not allow it to be said."""
        if not self.first or len({array.shape[1:] for array in (*self.first, *self.second)}) > 1:
            return np.zeros(0, dtype=np.bool_)
        first, second = np.concatenate(self.first), np.concatenate(self.second)
        if not _is_measured(first):
            differs: NDArray[np.bool_] = texts(first.reshape(-1)) != texts(second.reshape(-1))
            return np.asarray(differs.reshape(len(first), -1).any(axis=1))
        one, other = (array.reshape(len(array), -1).astype(np.float64) for array in (first, second))
        spread = np.sqrt(np.nanmean(((one - np.nanmean(one, axis=0)) ** 2).sum(axis=1)))
        moved: NDArray[np.bool_] = np.sqrt(((one - other) ** 2).sum(axis=1)) > NOTICEABLE * spread
        return moved | np.isnan(other).any(axis=1)

    def shift(self) -> float:
        """How far the distributions of the answers are apart: total variation (labels), or Kolmogorov-Smirnov."""
        if not self.first or any(array.ndim > 1 and array.shape[1:] != (1,) for array in (*self.first, *self.second)):
            return 0.0
        first, second = (np.concatenate([array.reshape(-1) for array in part]) for part in (self.first, self.second))
        if not _is_measured(first):
            return _total_variation(texts(first), texts(second))
        values = np.sort(np.concatenate([first, second]))
        shares = [np.searchsorted(np.sort(part), values, side="right") / len(part) for part in (first, second)]
        return float(np.abs(shares[0] - shares[1]).max())


def most_changed(found: Iterable[Slice], changed: NDArray[np.bool_]) -> list[tuple[str, int, float]]:
    """(name, rows, share of rows that changed) of the slices that changed most."""
    shares = [(part.name, int(part.mask.sum()), float(changed[part.mask].mean())) for part in found]
    return sorted(shares, key=lambda item: (-item[2], item[0]))[:LISTED]


def _is_measured(answers: NDArray[Any]) -> bool:
    return answers.dtype.kind == "f"


def _total_variation(first: NDArray[Any], second: NDArray[Any]) -> float:
    names, places = np.unique(np.concatenate([first, second]).astype(str), return_inverse=True)
    counts = [np.bincount(part, minlength=len(names)) for part in np.split(places, [len(first)])]
    return float(np.abs(counts[0] / len(first) - counts[1] / len(second)).sum() / 2)
