"""Where a model is worst: parts of the traffic on which it does clearly worse than on the rest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.features import Column
from modelyard.drift.sketches import category_name
from modelyard.drift.statistics import benjamini_hochberg
from modelyard.drift.wording import number

_MIN_ROWS = 20
_PARTS = 4
_MAX_CATEGORIES = 30
_ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Rows of one category or range of one column.

    Attributes:
        condition: in words ("town is 'Delft'", "age is 38 to 52").
        rows: how many.
        score: mean score in it; `rest`: outside of it.
        p_value: chance of a gap at least as large when the slice is like the rest.
    """

    column: str
    condition: str
    rows: int
    score: float
    rest: float
    p_value: float


def worst_slices(columns: Iterable[Column], scores: NDArray[Any], *, limit: int = 5) -> tuple[Slice, ...]:
    """The slices that are certainly worse than the rest, those first that cost most.

    Numbers are cut at their quartiles. Corrected for the number of slices looked at (Benjamini-Hochberg, 5 %).

    Args:
        columns: of n rows.
        scores: of the same rows, (n,) in 0 to 1, 1 is right.
        limit: how many to name.
    """
    values = np.asarray(scores, dtype=np.float64)
    found = [
        compared
        for column in columns
        for condition, members in _parts(column)
        if (compared := _compared(column.name, condition, members, values)) is not None
    ]
    certain = benjamini_hochberg([each.p_value for each in found], _ALPHA)
    worse = [each for each, yes in zip(found, certain, strict=True) if yes]
    return tuple(sorted(worse, key=lambda each: (each.score - each.rest) * each.rows)[:limit])


def _parts(column: Column) -> Sequence[tuple[str, NDArray[np.bool_]]]:
    """(condition, which rows) of each part."""
    if column.kind == "category":
        names = np.array([category_name(value) for value in column.values.tolist()], dtype=object)
        kinds, counts = np.unique(names.astype(str), return_counts=True)
        common = kinds[np.argsort(-counts, kind="stable")][:_MAX_CATEGORIES]
        return [
            (f"{column.name} is '{kind}'" if kind else f"{column.name} is missing", names == kind) for kind in common
        ]
    finite = np.isfinite(column.values)
    parts = [] if finite.all() else [(f"{column.name} is missing", ~finite)]
    if not finite.any():
        return parts
    edges = np.unique(np.quantile(column.values[finite], np.linspace(0, 1, _PARTS + 1)))
    for place in range(len(edges) - 1):
        low, high = edges[place], edges[place + 1]
        inside = (column.values >= low if place == 0 else column.values > low) & (column.values <= high)
        parts.append((f"{column.name} is {number(float(low))} to {number(float(high))}", finite & inside))
    return parts


def _compared(name: str, condition: str, members: NDArray[np.bool_], scores: NDArray[np.float64]) -> Slice | None:
    """Welch's one-sided comparison of the slice's mean score with the rest's."""
    from scipy.special import ndtr  # noqa: PLC0415 - takes half a second to load

    own, rest = scores[members], scores[~members]
    if min(len(own), len(rest)) < _MIN_ROWS:
        return None
    error = np.sqrt(_variance(own) / len(own) + _variance(rest) / len(rest))
    gap = float(own.mean() - rest.mean())
    return Slice(
        column=name,
        condition=condition,
        rows=len(own),
        score=float(own.mean()),
        rest=float(rest.mean()),
        p_value=float(ndtr(gap / error)),
    )


def _variance(values: NDArray[np.float64]) -> float:
    """Never nothing: a few right answers in a row do not make certain."""
    return max(float(values.var()), 1.0 / (len(values) + 2))
