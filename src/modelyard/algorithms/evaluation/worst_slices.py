"""Parts of the data in which one model may be worse than another though it is better on the whole."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.paired import Scores, evidence
from modelyard.algorithms.preparation.classes import texts
from modelyard.drift.features import Column, columns
from modelyard.types.signatures import Signature

SMALLEST = 20
"""Rows; in fewer, chance alone makes large differences."""

_QUANTILES = (0.25, 0.5, 0.75)
_MOST_VALUES = 12
_IMAGE_COLUMNS = ("image.brightness", "image.noise")
_NAME_LENGTH = 60

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Rows with something in common: "region = 'north'", "12 < age <= 30"."""

    name: str
    mask: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstSlice:
    """The slice with the strongest evidence that the second model is worse there by more than a bound.

    Attributes:
        name: of the slice.
        rows: rows in it.
        first: how good the first model is there: accuracy, or root mean squared error.
        second: how good the second model is there.
        p_value: of a loss beyond the bound in this slice, times the number of slices that were looked at.
        slices: that number.
    """

    name: str
    rows: int
    first: float
    second: float
    p_value: float
    slices: int


def slices(signature: Signature, inputs: Mapping[str, NDArray[Any]], classes: NDArray[Any] | None) -> Iterator[Slice]:
    """Slices of at least SMALLEST rows, none of them everything.

    Numbers are cut at their quartiles, or by value if they have few; categories by value; images by brightness and
    noise. `classes`, the right answers (n,) of a classifier, make slices too.
    """
    found = columns(signature, inputs, {})
    if any(column.name in _IMAGE_COLUMNS for column in found):
        found = [column for column in found if not column.name.startswith("image.") or column.name in _IMAGE_COLUMNS]
    if classes is not None:
        found.append(Column("class", "category", np.array([str(one) for one in texts(classes)], dtype=object)))
    for column in found:
        parts = _by_value(column) if column.kind == "category" else _by_number(column)
        yield from (part for part in parts if SMALLEST <= part.mask.sum() < len(part.mask))


def worst_slice(found: Iterable[Slice], first: Scores, second: Scores, bound: float) -> WorstSlice | None:
    """Where the second model loses most beyond `bound`, by Bonferroni's correction over all slices; None without any.

    Where several have the same p-value, the one with the largest loss.

    Args:
        found: slices of the rows.
        first: scores of the first model's answers, (n,).
        second: of the second model's.
        bound: a loss up to this is none.
    """
    count, worst = 0, None
    for part in found:
        before, after = first[part.mask], second[part.mask]
        paired = evidence(before, after)
        rank = (paired.p_value_of_loss(bound), paired.gain, part.name)
        if worst is None or rank < worst[0]:
            worst = rank, paired.rows, _quality(before), _quality(after)
        count += 1
    if worst is None:
        return None
    (p_value, _, name), rows, was, now = worst
    p_value = min(1.0, p_value * count)
    return WorstSlice(name=name, rows=rows, first=was, second=now, p_value=p_value, slices=count)


def _quality(scores: Scores) -> float:
    mean = float(scores.mean())
    return mean if scores.dtype.kind == "b" else math.sqrt(mean)


def _by_value(column: Column) -> Iterator[Slice]:
    names, counts = np.unique(column.values.astype(str), return_counts=True)
    for name in names[counts >= SMALLEST].tolist():
        mask = np.asarray(column.values == name)
        yield Slice(name=f"{column.name} = '{name[:_NAME_LENGTH]}'" if name else f"{column.name} is missing", mask=mask)


def _by_number(column: Column) -> Iterator[Slice]:
    values, name = column.values, column.name
    is_known = np.isfinite(values)
    yield Slice(name=f"{name} is missing", mask=~is_known)
    known = np.unique(values[is_known])
    if len(known) <= _MOST_VALUES:
        yield from (Slice(name=f"{name} = {value:g}", mask=values == value) for value in known.tolist())
        return
    cuts = np.unique(np.quantile(values[is_known], _QUANTILES, method="inverted_cdf")).tolist()
    edges = [None, *cuts, None]
    for low, high in pairwise(edges):
        above = is_known if low is None else is_known & (values > low)
        words = name if low is None else f"{low:.4g} < {name}"
        yield Slice(
            name=f"{words} <= {high:.4g}" if high is not None else f"{name} > {low:.4g}",
            mask=above if high is None else above & (values <= high),
        )
