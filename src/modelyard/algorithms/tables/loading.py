"""Reads a training table: its target, the columns to learn from, and what is worth reporting about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from modelyard.algorithms.base import Channel
from modelyard.algorithms.errors import ColumnsInvalidError, TargetInvalidError, TargetNotFoundError
from modelyard.algorithms.preparation.classes import listed
from modelyard.data.schema import infer_schema
from modelyard.data.tables import read_table
from modelyard.types.datasets import Column, ColumnKind, DatasetSchema

if TYPE_CHECKING:
    import pyarrow as pa

_NUMERIC_KINDS = (ColumnKind.NUMBER, ColumnKind.BOOLEAN)
_SHOWN_NOTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTable:
    """A table whose rows all have a target.

    Attributes:
        table: all columns.
        target: (n,) values of the target column: numbers, bool, or object array of str.
        numeric: names of the number columns to learn from.
        categorical: names of the category columns to learn from.
        findings: sentences for the model card.
    """

    table: "pa.Table"
    target: NDArray[Any]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    findings: tuple[str, ...]


def load(channel: Channel, target: str | None) -> TrainingTable:
    """Read a table and decide what to learn from.

    Raises:
        TargetNotFoundError: no column of that name, or no name.
        TargetInvalidError: the target is missing in every row.
        ColumnsInvalidError: no column is left to learn from.
        DatasetInvalidError: the file cannot be read.
    """
    schema = infer_schema(channel.path, channel.format)
    name = find_target(target, [column.name for column in schema.columns])
    numeric, categorical, findings = _choose(schema, name)
    table = read_table(channel.path, channel.format, words=(name,))
    table, note = _with_target(table, name)
    return TrainingTable(
        table=table,
        target=target_values(table, name),
        numeric=numeric,
        categorical=categorical,
        findings=(*note, *findings),
    )


def find_target(target: str | None, columns: list[str]) -> str:
    """The target's name, if there is such a column.

    Raises:
        TargetNotFoundError: there is not; the hint has the nearest name.
    """
    if target in columns:
        return target
    shown = listed(columns)
    if not target:
        raise TargetNotFoundError(
            "The job names no target column", hint=f"Set target to one of {shown}.", field="target"
        )
    by_lower = {column.strip().lower(): column for column in columns}
    close = get_close_matches(target.strip().lower(), by_lower, n=1)
    guess = f"Did you mean '{by_lower[close[0]]}'? " if close else ""
    raise TargetNotFoundError(
        f"The table has no column '{target[:80]}' to predict", hint=f"{guess}It has {shown}.", field="target"
    )


def target_values(table: "pa.Table", target: str) -> NDArray[Any]:
    """The target column, which has no missing values, as an array (n,)."""
    values: NDArray[Any] = table.column(target).combine_chunks().to_numpy(zero_copy_only=False)
    return values


def rows_with(table: "pa.Table", target: str) -> "pa.Table":
    """The rows whose target is not missing."""
    import pyarrow.compute as pc  # noqa: PLC0415 - only tables need Arrow

    return table.filter(pc.is_valid(table.column(target)))


def _with_target(table: "pa.Table", target: str) -> "tuple[pa.Table, tuple[str, ...]]":
    known = rows_with(table, target)
    if not known.num_rows:
        raise TargetInvalidError(
            f"The target '{target}' is missing in every row", hint="Name another column.", field="target"
        )
    missing = table.num_rows - known.num_rows
    if not missing:
        return known, ()
    return known, (f"{missing:,} of {table.num_rows:,} rows have no target '{target}' and were left out.",)


def _choose(schema: DatasetSchema, target: str) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    columns = [column for column in schema.columns if column.name != target]
    empty = [column.name for column in columns if column.missing >= schema.rows]
    constant = [c.name for c in columns if c.distinct == 1 and not c.missing and schema.rows > 1]
    useless = {*empty, *constant}
    left = [column for column in columns if column.name not in useless]
    texts = [column.name for column in left if column.kind is ColumnKind.TEXT]
    dates = [column.name for column in left if column.kind is ColumnKind.DATETIME]
    numeric = tuple(column.name for column in left if column.kind in _NUMERIC_KINDS)
    categorical = tuple(column.name for column in left if column.kind is ColumnKind.CATEGORY)
    findings = [
        *_left_out(empty, "every value is missing"),
        *_left_out(constant, "every value is the same"),
        *_left_out(texts, "free text or identifiers: nearly every row has its own value"),
        *_left_out(dates, "dates: derive numbers from them (year, age in days) to learn from them"),
    ]
    if not numeric and not categorical:
        reasons = " ".join(findings) or "The target is its only column."
        raise ColumnsInvalidError(
            f"No column is left to predict '{target}' from. {reasons}", hint="Add columns of numbers or categories."
        )
    names = {*numeric, *categorical}
    used = [column for column in left if column.name in names]
    return numeric, categorical, findings + list(_notes(used)) + list(_missing(used, schema.rows))


def _left_out(names: list[str], reason: str) -> Iterable[str]:
    if names:
        yield f"Left out {listed(names)}: {reason}."


def _notes(columns: list[Column]) -> Iterable[str]:
    noted = [column for column in columns if column.note]
    yield from (f"Column '{column.name[:80]}': {column.note}." for column in noted[:_SHOWN_NOTES])
    if len(noted) > _SHOWN_NOTES:
        yield f"{len(noted) - _SHOWN_NOTES:,} more columns have oddities: see the dataset's schema."


def _missing(columns: list[Column], rows: int) -> Iterable[str]:
    gaps = sorted((c for c in columns if c.missing), key=lambda column: -column.missing)
    if gaps:
        shown = ", ".join(f"'{c.name[:40]}' ({100 * c.missing / rows:.2g} %)" for c in gaps[:_SHOWN_NOTES])
        more = f" and {len(gaps) - _SHOWN_NOTES:,} more columns" if len(gaps) > _SHOWN_NOTES else ""
        yield f"Missing values in {shown}{more}; the model takes them as they are."
