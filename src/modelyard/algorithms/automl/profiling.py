"""The profile of a table: what is in it, and what to look at before a model of it is believed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from modelyard.algorithms.automl.rows import Rows
from modelyard.algorithms.base import Channel
from modelyard.algorithms.preparation.classes import class_findings, listed
from modelyard.algorithms.tables.tensors import CATEGORICAL, NUMERIC
from modelyard.data.schema import infer_schema
from modelyard.types.automl.reports import ColumnProfile, DataProfile
from modelyard.types.datasets import Column

_SAMPLE_ROWS = 4000
_MOST_COLUMNS = 300
_LEAF_ROWS = 5
_LEAKS = 0.98
"""A single column that tells this much of the target on rows that it was not learnt from is suspected."""
_SKEWED = 3.0


def profile(channel: Channel, rows: Rows, target: str, seed: int) -> DataProfile:
    """Of the whole table; how much a column tells is measured on rows that are not held out."""
    schema = infer_schema(channel.path, channel.format)
    powers = _powers(rows, seed)
    used = {*rows.table.numeric, *rows.table.categorical}
    columns = tuple(
        _column(column, schema.rows, is_used=column.name in used, power=powers.get(column.name))
        for column in schema.columns
        if column.name != target
    )
    leakage = tuple(name for name, power in powers.items() if power >= _LEAKS)
    duplicates, conflicts = _repeated(rows, target)
    return DataProfile(
        rows=rows.table.table.num_rows,
        held_out_rows=int(rows.is_held_out.sum()),
        duplicate_rows=duplicates,
        conflicting_rows=conflicts,
        classes=_shares(rows),
        target={} if rows.classes is not None else moments(rows.target),
        columns=columns,
        leakage=leakage,
        warnings=tuple(_warnings(rows, leakage, conflicts)),
    )


def _column(column: Column, rows: int, *, is_used: bool, power: float | None) -> ColumnProfile:
    return ColumnProfile(
        name=column.name,
        kind=column.kind.value,
        missing_share=round(column.missing / max(1, rows), 4),
        distinct=column.distinct,
        is_used=is_used,
        power=power,
        note=column.note,
    )


def _powers(rows: Rows, seed: int) -> dict[str, float]:
    """How much of the target each column tells alone: by a small tree, on the half that it was not fitted to."""
    sample = np.random.default_rng(seed).permutation(rows.count)[:_SAMPLE_ROWS]
    tensors, target = rows.part(sample), rows.target[sample]
    found = {}
    numbers, words = tensors.get(NUMERIC), tensors.get(CATEGORICAL)
    for index, name in enumerate(rows.table.numeric[:_MOST_COLUMNS]):
        found[name] = _power(np.asarray(numbers)[:, index], target, rows, seed)
    for index, name in enumerate(rows.table.categorical[: max(0, _MOST_COLUMNS - len(found))]):
        places = np.unique(np.asarray(words)[:, index].astype(str), return_inverse=True)[1]
        found[name] = _power(places.astype(np.float32), target, rows, seed)
    return found


def _power(values: NDArray[Any], target: NDArray[Any], rows: Rows, seed: int) -> float:
    half = len(values) // 2
    if half < 2 * _LEAF_ROWS:
        return 0.0
    kind = DecisionTreeRegressor if rows.classes is None else DecisionTreeClassifier
    tree = kind(min_samples_leaf=_LEAF_ROWS, random_state=seed).fit(values[:half, None], target[:half])
    answers, truth = tree.predict(values[half:, None]), target[half:]
    if rows.classes is None:
        scale = float(np.mean((truth - truth.mean()) ** 2))
        return round(max(0.0, 1 - float(np.mean((answers - truth) ** 2)) / scale), 4) if scale else 0.0
    commonest = float(np.max(np.bincount(truth))) / len(truth)
    if commonest == 1:
        return 0.0
    return round(max(0.0, (float(np.mean(answers == truth)) - commonest) / (1 - commonest)), 4)


def _repeated(rows: Rows, target: str) -> tuple[int, int]:
    """Rows that repeat another one, and rows that another one contradicts."""
    table = rows.table.table.select([*rows.table.numeric, *rows.table.categorical, target])
    columns = [name for name in table.column_names if name != target]
    whole = table.group_by(table.column_names).aggregate([([], "count_all")])
    alike = whole.group_by(columns).aggregate([("count_all", "sum"), ([], "count_all")])
    targets = alike.column("count_all").to_numpy()
    counts = alike.column("count_all_sum").to_numpy()
    return table.num_rows - whole.num_rows, int(counts[targets > 1].sum())


def _shares(rows: Rows) -> dict[str, float]:
    if rows.classes is None:
        return {}
    counts = np.bincount(rows.target, minlength=rows.outputs)
    return {name: round(float(n) / rows.count, 4) for name, n in zip(rows.classes.names, counts, strict=True)}


def moments(values: NDArray[np.float64]) -> dict[str, float]:
    """Minimum, median, mean, maximum and spread of numbers."""
    figures: Mapping[str, Any] = {
        "minimum": values.min(),
        "median": np.median(values),
        "mean": values.mean(),
        "maximum": values.max(),
        "spread": values.std(),
    }
    return {name: float(f"{value:.6g}") for name, value in figures.items()}


def _warnings(rows: Rows, leakage: tuple[str, ...], conflicts: int) -> list[str]:
    found = [*rows.table.findings]
    if rows.classes is not None:
        labels = rows.classes.values[rows.target]
        found += class_findings(labels, labels)
    elif abs(_skewness(rows.target)) > _SKEWED:
        found.append("The target is skewed: a few rows far out decide the rmse. Its logarithm may be learnt better.")
    if leakage:
        found.append(
            f"{listed([*leakage])} alone tells nearly all of the target. Is that known before the answer is wanted, or "
            "was it filled in afterwards? If so, leave it out."
        )
    if conflicts:
        share = 100 * conflicts / rows.table.table.num_rows
        found.append(f"{conflicts:,} rows ({share:.2g} %) have the columns of another row and a different target.")
    return found


def _skewness(values: NDArray[np.float64]) -> float:
    spread = float(values.std())
    return float(np.mean(((values - values.mean()) / spread) ** 3)) if spread else 0.0
