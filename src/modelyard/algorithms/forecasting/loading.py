"""Reads a table of time series: a time, a value, and perhaps the name of the series, in a row each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import Channel
from modelyard.algorithms.errors import ColumnsInvalidError, TargetInvalidError
from modelyard.algorithms.forecasting.seasons import usual_seasons
from modelyard.algorithms.forecasting.stamps import find_grid
from modelyard.algorithms.forecasting.units import Values
from modelyard.algorithms.preparation.classes import listed
from modelyard.algorithms.tables.loading import find_target, rows_with
from modelyard.algorithms.tables.tensors import check_present
from modelyard.algorithms.tables.training import numeric_target
from modelyard.data.schema import infer_schema
from modelyard.data.tables import read_table
from modelyard.types.datasets import ColumnKind, DatasetSchema
from modelyard.types.serving.windows import filled

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_GAPS = 0.5
_MOST_REPEATED = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """`values` (n,) without gaps; `first` is the step of time of the first one, the same for all series of a table.

    Attributes:
        is_known: (n,) which values the table has; the others bridge gaps, and tell what comes after those.
    """

    name: str
    first: int
    values: Values
    is_known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTable:
    """All series of a table.

    Attributes:
        series: at least one that moves.
        frequency: of all of them: "H", "15min", "D", "B", "W", "M", ..., or "steps".
        seasons: lengths in steps that the frequency has or, where it has none, that the values show.
        rows: with a value.
        repeated: rows that have the time of another one of their series; their mean counts.
        gaps: steps without a row, bridged by straight lines.
        constant: series whose value never changes.
        left_out: series of more gaps than values, which are not among `series`.
    """

    series: tuple[Series, ...]
    frequency: str
    seasons: tuple[int, ...]
    rows: int
    repeated: int
    gaps: int
    constant: int
    left_out: int

    @property
    def longest(self) -> int:
        """Steps of the longest series."""
        return max(len(each.values) for each in self.series)

    @property
    def is_positive(self) -> bool:
        """All values are above 0."""
        return all(bool((each.values > 0).all()) for each in self.series)

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences on what is odd."""
        steps = sum(len(each.values) for each in self.series)
        found = []
        if self.gaps:
            found.append(f"Steps of time without a row: {self.gaps:,} of {steps:,}; straight lines bridge them.")
        if self.repeated:
            found.append(f"Rows with the time of another row of their series: {self.repeated:,}; their mean counts.")
        if self.constant:
            found.append(f"Series that never change: {self.constant:,} of {len(self.series):,}.")
        if self.left_out:
            found.append(f"Series of more steps without a row than with one, which are left out: {self.left_out:,}.")
        return tuple(found)


def load_series(channel: Channel, target: str | None, time_column: str, series_column: str) -> SeriesTable:
    """Read a table.

    Args:
        channel: a CSV or Parquet table.
        target: the column with the values.
        time_column: with times, or whole numbers that count steps; "": the one column of times that there is.
        series_column: names the series of each row; "": there is one series.

    Raises:
        TargetNotFoundError: no target of that name, or no name.
        TargetInvalidError: the target is no number, or never changes.
        ColumnsInvalidError: there is no such column, it is not clear which, or its times are not evenly spaced.
    """
    schema = infer_schema(channel.path, channel.format)
    name = find_target(target, [each.name for each in schema.columns])
    time = time_column or _only_time(schema, name)
    wanted = (time, series_column) if series_column else (time,)
    table = read_table(channel.path, channel.format, words=(name,))
    check_present(table.column_names, wanted)
    table = rows_with(table, name)
    if not table.num_rows:
        raise TargetInvalidError(
            f"The target '{name}' is missing in every row", hint="Name another column.", field="target"
        )
    stamps, is_known = _stamps(table, time)
    values = numeric_target(table.column(name).to_numpy(), name)[is_known]
    names, groups = _groups(table, series_column, is_known)
    grid = find_grid(stamps[is_known], groups, time)
    series, repeated, left_out = _build(names, groups, grid.places, values)
    _check(series, name, len(values), repeated, sum(left_out))
    longest = max(series, key=lambda each: len(each.values))
    return SeriesTable(
        series=tuple(series),
        frequency=grid.frequency,
        seasons=usual_seasons(grid.frequency, longest.values),
        rows=len(values),
        repeated=repeated,
        gaps=sum(int((~each.is_known).sum()) for each in series),
        constant=sum(bool(np.ptp(each.values) == 0) for each in series),
        left_out=len(left_out),
    )


def time_columns(schema: DatasetSchema) -> list[str]:
    """Columns that hold times."""
    return [each.name for each in schema.columns if each.kind is ColumnKind.DATETIME]


def _only_time(schema: DatasetSchema, target: str) -> str:
    names = [name for name in time_columns(schema) if name != target]
    if len(names) == 1:
        return names[0]
    what = f"several columns of times: {listed(names)}" if names else "no column of times"
    raise ColumnsInvalidError(
        f"The table has {what}",
        hint="Name one (time_column, or --time-column); whole numbers that count steps will do, too.",
        field="hyperparameters.time_column",
    )


def _stamps(table: "pa.Table", name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Times as datetime64[us] or int64, and which of them are known."""
    stamps = table.column(name).to_numpy()
    if stamps.dtype.kind == "M":
        return stamps.astype("datetime64[us]"), ~np.isnat(stamps)
    if stamps.dtype.kind == "f" and (np.isnan(stamps) | (stamps == np.floor(stamps))).all():
        is_known = ~np.isnan(stamps)
        return np.where(is_known, stamps, 0).astype(np.int64), is_known
    if stamps.dtype.kind in "iu":
        return stamps.astype(np.int64), np.ones(len(stamps), dtype=np.bool_)
    raise ColumnsInvalidError(
        f"The column '{name[:80]}' holds no times",
        hint="Write times like 2026-01-31 or 2026-01-31 18:00, or whole numbers that count steps.",
        field="hyperparameters.time_column",
    )


def _groups(
    table: "pa.Table", column: str, is_known: NDArray[np.bool_]
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Names of the series, and which one each row belongs to."""
    if not column:
        return np.array([""], dtype=object), np.zeros(int(is_known.sum()), dtype=np.int64)
    words = np.array([str(value) for value in table.column(column).to_pylist()], dtype=object)[is_known]
    names, groups = np.unique(words, return_inverse=True)
    return names, groups.astype(np.int64)


def _build(
    names: NDArray[np.object_], groups: NDArray[np.int64], places: NDArray[np.int64], values: Values
) -> tuple[list[Series], int, list[int]]:
    """The series, how many rows repeat a time, and how many steps have no row in each series that is left out."""
    series, repeated, left_out = [], 0, []
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        found, inverse, counts = np.unique(places[rows], return_inverse=True, return_counts=True)
        size = int(found[-1] - found[0]) + 1
        repeated += len(rows) - len(found)
        if size - len(found) > _MOST_GAPS * size:
            left_out.append(size - len(found))  # before a stamp far away makes the grid too long for memory
            continue
        whole = np.full(size, np.nan)
        whole[found - found[0]] = np.bincount(inverse, weights=values[rows]) / counts
        name, is_known = str(names[groups[rows[0]]]), ~np.isnan(whole)
        series.append(Series(name=name, first=int(found[0]), values=filled(whole), is_known=is_known))
    return series, repeated, left_out


def _check(series: list[Series], target: str, rows: int, repeated: int, gaps: int) -> None:
    if repeated > _MOST_REPEATED * rows:
        raise ColumnsInvalidError(
            f"{repeated:,} of {rows:,} rows have the time of another row",
            hint="If the table holds several series, name the column that tells them apart (--series-column).",
            field="hyperparameters.series_column",
        )
    if not series:
        raise ColumnsInvalidError(
            f"{gaps:,} steps of time have no row, more than have one",
            hint="Give one row for each step of time, such as a sum or a mean per hour, day or month.",
            field="hyperparameters.time_column",
        )
    if all(np.ptp(each.values) == 0 for each in series):
        raise TargetInvalidError(
            f"The target '{target[:80]}' never changes", hint="Name a column that does.", field="target"
        )
