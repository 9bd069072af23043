"""Parts of the data in which one model may be worse than another though it is better on the whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.metrics import is_right
from modelyard.algorithms.evaluation.paired import evidence, squared_errors
from modelyard.algorithms.preparation.classes import texts
from modelyard.drift.features import Column, columns
from modelyard.types.models import Task
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


def worst_slice(
    task: str,
    found: Sequence[Slice],
    first: Mapping[str, NDArray[Any]],
    second: Mapping[str, NDArray[Any]],
    truth: NDArray[Any],
    bound: float,
) -> WorstSlice | None:
    """Where the second model loses most beyond `bound`, by Bonferroni's correction over all slices; None without any.

    Where several have the same p-value, the one with the largest loss.
    """
    judged = []
    for part in found:
        rows = np.flatnonzero(part.mask)
        paired = evidence(task, _at(first, rows), _at(second, rows), truth[rows])
        judged.append((paired.p_value_of_loss(bound), paired.gain, part.name, rows))
    if not judged:
        return None
    p_value, _, name, rows = min(judged, key=lambda item: item[:3])
    values = [_quality(task, _at(outputs, rows), truth[rows]) for outputs in (first, second)]
    return WorstSlice(
        name=name,
        rows=len(rows),
        first=values[0],
        second=values[1],
        p_value=min(1.0, p_value * len(judged)),
        slices=len(judged),
    )


def _at(outputs: Mapping[str, NDArray[Any]], rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(values)[rows] for name, values in outputs.items()}


def _quality(task: str, outputs: Mapping[str, NDArray[Any]], truth: NDArray[Any]) -> float:
    if task == Task.TABULAR_REGRESSION:
        return float(np.sqrt(squared_errors(outputs, truth).mean()))
    return float(is_right(outputs, truth).mean())


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
