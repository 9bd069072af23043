"""How large a regression's error is to be expected on a row: learnt once from rows whose truth is known.

Small boosted trees, kept as plain arrays. They are fitted once without each fifth of the rows; how far the five differ
on traffic says how little they know of it (the delete-a-group jackknife). Trees do not extrapolate: beyond the rows
that they have seen they go on with the nearest ones' errors.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

GROUPS = 5
"""Parts of the rows each of which one of the fits does without."""

LEAST_ROWS = 50
"""Fewer rows with known truth say nothing about which rows are hard."""

_TREES, _DEPTH, _RATE, _LEAF_ROWS = 12, 4, 0.3, 10
_SPLITS, _LEAVES = 2**_DEPTH - 1, 2**_DEPTH
_MOST_ROWS, _MOST_CELLS, _MOST_COLUMNS = 10_000, 200_000, 32
_SEED = 20_260_102
_LOWEST = np.float32(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorModel:
    """Expected |error| and squared error by row, in arrays that JSON can hold (base64, little-endian).

    Attributes:
        columns: those that the trees look at.
        rows: that it was learnt from.
        mae, mae_error: their mean |error|, and its standard error.
        mse, mse_error: their mean squared error, likewise.
        spread: variance of a row's squared error around what is expected of it, by the square of the latter.
        start: (fits, 2) float64, what each fit expects of every row before its trees add theirs.
        features: (fits, trees, splits) uint16 places in `columns`; splits in the order of a heap.
        limits: likewise, float32; a row goes left where its value is at most the limit.
        leaves: (fits, trees, leaves, 2) float32.
    """

    columns: tuple[str, ...]
    rows: int
    mae: float
    mae_error: float
    mse: float
    mse_error: float
    spread: float
    start: str
    features: str
    limits: str
    leaves: str

    @classmethod
    def fit(cls, columns: Mapping[str, NDArray[Any]], errors: NDArray[Any]) -> Self:
        """Learn from rows that the model did not learn from.

        Args:
            columns: of n rows, as `samples.encode` makes them.
            errors: prediction minus truth of the same rows, (n,), all finite; n at least LEAST_ROWS.
        """
        random = np.random.default_rng(_SEED)
        most = min(_MOST_ROWS, max(_MOST_CELLS // len(columns), 2_000))
        chosen = random.permutation(len(errors))[:most]
        sizes = np.abs(np.asarray(errors, dtype=np.float64))[chosen]
        targets = np.stack([sizes, np.square(sizes)], axis=1)
        matrix = _matrix(columns, tuple(columns))[chosen]
        group = np.arange(len(chosen)) % GROUPS
        fits = [_boosted(matrix[group != left], targets[group != left]) for left in range(GROUPS)]
        start, features, limits, leaves = (np.stack([fit[part] for fit in fits]) for part in range(4))
        used = np.unique(features[limits < np.inf])
        expected = _expected(matrix, start, features, limits, leaves).mean(axis=0)[:, 1]
        means, deviations = targets.mean(axis=0), targets.std(axis=0) / np.sqrt(len(targets))
        names = tuple(columns)
        return cls(
            columns=tuple(names[place] for place in used),
            rows=len(chosen),
            mae=float(means[0]),
            mae_error=float(deviations[0]),
            mse=float(means[1]),
            mse_error=float(deviations[1]),
            spread=float(np.square(targets[:, 1] - expected).mean() / max(np.square(expected).mean(), 1e-300)),
            start=_text(start, "<f8"),
            features=_text(np.where(limits < np.inf, np.searchsorted(used, features), 0), "<u2"),
            limits=_text(limits, "<f4"),
            leaves=_text(leaves, "<f4"),
        )

    def expected(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Expected |error| and squared error of each row by each fit, (fits, n, 2); none is below 0.

        Args:
            columns: at least those that the trees look at, n rows.
        """
        shape = (GROUPS, _TREES, _SPLITS)
        return _expected(
            _matrix(columns, self.columns),
            _array(self.start, "<f8", (GROUPS, 2)),
            _array(self.features, "<u2", shape),
            _array(self.limits, "<f4", shape),
            _array(self.leaves, "<f4", (GROUPS, _TREES, _LEAVES, 2)),
        )


def _matrix(columns: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[np.float32]:
    """(n, columns); what is missing is below all else."""
    rows = len(next(iter(columns.values())))
    matrix = np.empty((rows, max(1, len(names))), dtype=np.float32)
    for place, name in enumerate(names):
        values = columns[name].astype(np.float32)
        matrix[:, place] = np.where(np.isfinite(values), values, _LOWEST)
    return matrix if names else np.zeros_like(matrix)


def _boosted(matrix: NDArray[np.float32], targets: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Gradient boosting of squared loss, both targets with the same splits: (start, features, limits, leaves).

    Source: J. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics 29, 2001.
    """
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415 - takes a second to load

    start = targets.mean(axis=0)
    scale = np.maximum(start, 1e-300) * (1.0, 2.0)  # squares are noisy: they say less about where to split
    left = (targets - start) / scale
    grown = []
    for number in range(_TREES):
        tree = DecisionTreeRegressor(
            max_depth=_DEPTH,
            min_samples_leaf=max(_LEAF_ROWS, len(matrix) // 400),
            max_features=min(matrix.shape[1], _MOST_COLUMNS),
            random_state=number,
        ).fit(matrix, left)
        left = left - _RATE * tree.predict(matrix)
        grown.append(_heap(tree.tree_, _RATE * scale))
    features, limits, leaves = (np.stack([tree[part] for tree in grown]) for part in range(3))
    return start, features, limits, leaves


def _heap(tree: Any, scale: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """(features, limits, leaves) of a full tree; where the fitted one ends early all rows go left."""
    features, limits = np.zeros(_SPLITS, dtype=np.int64), np.full(_SPLITS, np.inf, dtype=np.float32)
    leaves = np.zeros((_LEAVES, 2))
    waiting = [(0, 0)]
    while waiting:
        place, node = waiting.pop()
        is_leaf = tree.children_left[node] < 0
        if place >= _SPLITS:
            leaves[place - _SPLITS] = tree.value[node][:, 0] * scale
            continue
        if not is_leaf:
            features[place], limits[place] = tree.feature[node], _below(tree.threshold[node])
            waiting.append((2 * place + 2, tree.children_right[node]))
        waiting.append((2 * place + 1, node if is_leaf else tree.children_left[node]))
    return features, limits, leaves


def _below(limit: float) -> np.float32:
    """The largest float32 that is not above the limit: float32 values are then on the same side of both."""
    rounded = np.float32(limit)
    return rounded if float(rounded) <= limit else np.nextafter(rounded, np.float32(-np.inf))


def _expected(
    matrix: NDArray[np.float32],
    start: NDArray[Any],
    features: NDArray[Any],
    limits: NDArray[Any],
    leaves: NDArray[Any],
) -> NDArray[np.float64]:
    rows = np.arange(len(matrix))
    total = np.repeat(start[:, None, :], len(matrix), axis=1)
    for fit in range(len(start)):
        for tree in range(_TREES):
            place = np.zeros(len(matrix), dtype=np.int64)
            for _ in range(_DEPTH):
                is_right = matrix[rows, features[fit, tree][place]] > limits[fit, tree][place]
                place = 2 * place + 1 + is_right
            total[fit] += leaves[fit, tree][place - _SPLITS]
    return np.asarray(np.maximum(total, 0.0), dtype=np.float64)


def _text(array: NDArray[Any], kind: str) -> str:
    return base64.b64encode(array.astype(kind).tobytes()).decode()


def _array(text: str, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype=kind).reshape(shape)
