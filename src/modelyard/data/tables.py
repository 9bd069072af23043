"""Rows of CSV and Parquet files as Arrow tables, typed by what the columns hold."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.data.errors import DatasetEmptyError, DatasetInvalidError, DatasetTooLargeError
from modelyard.data.readers.columns import (
    ColumnPlan,
    ColumnProfile,
    TextProfile,
    TypedProfile,
    convert,
    normalised,
    storage_of,
)
from modelyard.data.readers.delimited import MAX_COLUMNS, read_dialect, text_batches
from modelyard.data.readers.numbers import Storage
from modelyard.types.datasets import DatasetFormat

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MAX_CELLS = 4_000_000_000  # a run-length encoded file of some kilobytes can claim any number of rows
_CELLS_PER_BATCH = 8_000_000


def read_table(path: Path, format: DatasetFormat, *, words: Collection[str] = ()) -> "pa.Table":
    """All rows. Numbers are int64 (all whole) or float64, truth values bool, dates timestamp[us], the rest string.

    Missing values are null; what does not fit its column's kind (`DatasetSchema` says how much) is null too. Columns in
    `words` keep "yes" and "no" as they are written: a model must answer in the words of its target.

    Raises:
        DatasetInvalidError: the file cannot be read (CsvInvalidError names the line).
        DatasetEmptyError: no rows or no columns.
        DatasetTooLargeError: over 20,000 columns or 4 thousand million cells.
    """
    import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start

    _, plans = plan_columns(path, format)
    storages = [Storage.STRING if _is_word(plan, words) else plan.storage for plan in plans]
    names = [plan.column.name for plan in plans]
    converted = (
        pa.RecordBatch.from_arrays(
            [convert(column, storage) for column, storage in zip(batch.columns, storages, strict=True)], names=names
        )
        for batch in _batches(path, format)
    )
    return pa.Table.from_batches(converted)


def _is_word(plan: ColumnPlan, words: Collection[str]) -> bool:
    return plan.storage is Storage.BOOL and plan.column.name in words


def plan_columns(path: Path, format: DatasetFormat) -> tuple[int, list[ColumnPlan]]:
    """Number of rows, and what each column holds, in bounded memory. Raises as `read_table`."""
    import pyarrow as pa  # noqa: PLC0415 - see read_table

    profiles: list[ColumnProfile] = []
    rows = 0
    for batch in _batches(path, format):
        if not profiles:
            profiles = [_profile(field, format) for field in batch.schema]
        for profile, column in zip(profiles, batch.columns, strict=True):
            profile.add(column)
        rows += batch.num_rows
    if not rows:
        raise DatasetEmptyError("the table has no rows", hint="Upload a table with at least one row of data.")
    pa.default_memory_pool().release_unused()
    return rows, [profile.plan() for profile in profiles]


def _profile(field: "pa.Field", format: DatasetFormat) -> ColumnProfile:
    storage = storage_of(field.name, field.type)
    if storage is Storage.STRING:
        return TextProfile(field.name, is_typed=format is DatasetFormat.PARQUET)
    return TypedProfile(field.name, storage)


def _batches(path: Path, format: DatasetFormat) -> Iterator["pa.RecordBatch"]:
    """Batches of the columns' storage types; texts not yet looked into."""
    if format is DatasetFormat.CSV:
        return text_batches(path, read_dialect(path))
    if format is DatasetFormat.PARQUET:
        return _parquet_batches(path)
    raise DatasetInvalidError(
        f"a dataset in the format '{format}' holds no table", hint="Use a CSV or Parquet dataset."
    )


def _parquet_batches(path: Path) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa  # noqa: PLC0415 - see read_table
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            storages = [storage_of(field.name, field.type) for field in schema]
            check_parquet(file)
            size = max(1_000, min(1 << 17, _CELLS_PER_BATCH // max(1, len(storages))))
            for batch in file.iter_batches(batch_size=size):
                batch.validate(full=True)
                columns = [normalised(column, one) for column, one in zip(batch.columns, storages, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, names=schema.names)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetInvalidError(
            f"the Parquet file cannot be read: {str(error).splitlines()[0][:200]}", hint="Write the file again."
        ) from error


def check_parquet(file: "pq.ParquetFile") -> None:
    """Return if the file has columns, each name once, and a size that can be true.

    Raises:
        DatasetEmptyError: no columns.
        DatasetInvalidError: a name stands twice.
        DatasetTooLargeError: over 20,000 columns or 4 thousand million cells.
    """
    names = file.schema_arrow.names
    if not names:
        raise DatasetEmptyError("the Parquet file has no columns", hint="Upload a table with data.")
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise DatasetInvalidError(
            f"the column name '{twice[:80]}' stands twice", hint="Give every column its own name."
        )
    cells = file.metadata.num_rows * len(names)
    if len(names) > MAX_COLUMNS or cells > _MAX_CELLS:
        raise DatasetTooLargeError(
            f"the table has {len(names):,} columns and {file.metadata.num_rows:,} rows; the limits are "
            f"{MAX_COLUMNS:,} columns and {_MAX_CELLS:,} cells",
            hint="Leave out columns, or split the data.",
        )
