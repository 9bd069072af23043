"""Rows by the value of a column: categories by name, numbers by value if there are few, else by quantile."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_VALUES = 20
"""More values of a category become "other"; more groups would each be too small to say anything."""

FEW_NUMBERS = 10
"""Up to so many different numbers are groups of their own."""

MISSING, OTHER = "missing", "other"


@dataclass(frozen=True, slots=True)
class Slices:
    """`names` of the slices, in order, and the number of each row's slice, (n,)."""

    names: tuple[str, ...]
    of_row: NDArray[np.intp]


def slice_rows(values: NDArray[Any], bins: int = 4) -> Slices:
    """Slice rows by a column.

    Args:
        values: (n,) numbers, where NaN is missing, or an object array of str, where "" is.
        bins: how many quantile bins numbers of many values make.
    """
    return _by_number(values, bins) if values.dtype.kind in "fiub" else _by_name(values)


def _by_name(values: NDArray[Any]) -> Slices:
    found, of_row, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MAX_VALUES])
    names = [str(name) or MISSING for name in found[kept].tolist()]
    place = np.full(len(found), len(names), dtype=np.intp)
    place[kept] = np.arange(len(kept))
    return Slices(names=tuple(names if len(kept) == len(found) else [*names, OTHER]), of_row=place[of_row])


def _by_number(values: NDArray[Any], bins: int) -> Slices:
    numbers = values.astype(np.float64)
    is_known = np.isfinite(numbers)
    known = numbers[is_known]
    distinct = np.unique(known)
    if len(distinct) <= FEW_NUMBERS:
        names, place = [f"{number:g}" for number in distinct.tolist()], np.searchsorted(distinct, known)
    else:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))
        place = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, len(edges) - 2)
        last = len(edges) - 2
        names = [
            f"{edges[i]:.4g} to {edges[i + 1]:.4g}" if i == last else f"{edges[i]:.4g} to under {edges[i + 1]:.4g}"
            for i in range(len(edges) - 1)
        ]
    of_row = np.full(len(numbers), len(names), dtype=np.intp)
    of_row[is_known] = place
    return Slices(names=tuple(names) if is_known.all() else (*names, MISSING), of_row=of_row)
