"""Numbers of a column at which the trees behind a pipeline's preparation part ways.

Trees split midway between values of their training rows, so that rounded values (ages, prices) stand on the very
thresholds of other rows. There a preparation that rounds otherwise sends a row the other way.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from modelyard.runtimes.base import Tensor
from modelyard.runtimes.formats.tree_thresholds import histogram_splits

_MOST = 300


def values_at_splits(pipeline: Any, row: Tensor, numbers: Sequence[int], *, seed: int = 0) -> dict[int, Tensor]:
    """Place of a column -> values that are prepared to be thresholds, and the closest numbers beside them.

    What is not prepared in a straight line (scaled, filled in) gives other values, which do no harm.

    Args:
        pipeline: takes rows by position, and ends in a model.
        row: `(1, columns)` that it answers.
        numbers: places of the columns that are numbers.
        seed: of the choice among many thresholds.
    """
    if not hasattr(pipeline, "steps"):
        return {}
    thresholds: dict[int, set[float]] = {}
    for feature, threshold in (*_tree_splits(pipeline.steps[-1][1]), *histogram_splits(pipeline)):
        thresholds.setdefault(feature, set()).add(threshold)
    if not thresholds:
        return {}
    prepared = pipeline[:-1]
    generator, found = np.random.default_rng(seed), {}
    for place in numbers:
        values = [
            (threshold - start) / slope
            for feature, start, slope in _lines(prepared, row, place)
            for threshold in sorted(thresholds.get(feature, ()))
        ]
        if values:
            chosen = generator.choice(np.array(values), min(_MOST, len(values)), replace=False)
            found[place] = np.concatenate([chosen, np.nextafter(chosen, -np.inf), np.nextafter(chosen, np.inf)])
    return found


def _lines(prepared: Any, row: Tensor, place: int) -> Iterator[tuple[int, float, float]]:
    """Features that follow a column: what they are at 0, and how much they grow with it."""
    rows = np.repeat(row, 2, axis=0)
    rows[:, place] = 0.0, 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of column names, which the rows lack
        features = prepared.transform(rows)
    if hasattr(features, "toarray"):
        features = features.toarray()
    zero, one = np.asarray(features, dtype=np.float64)
    for feature in np.flatnonzero(zero != one).tolist():
        yield feature, float(zero[feature]), float(one[feature] - zero[feature])


def _tree_splits(model: Any) -> Iterator[tuple[int, float]]:
    """Out of a tree, or whatever is made of trees."""
    for member in np.ravel(getattr(model, "estimators_", [model])):
        tree = getattr(member, "tree_", None)
        if tree is not None:
            is_split = tree.children_left != tree.children_right
            yield from zip(tree.feature[is_split].tolist(), tree.threshold[is_split].tolist(), strict=True)
