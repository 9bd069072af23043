"""Rows appended to CSV and Parquet files, in the file's own columns, order and types."""

import csv
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelyard.data.readers.delimited import read_dialect

if TYPE_CHECKING:
    import pyarrow as pa

Cells = Mapping[str, NDArray[Any]]


def append_csv(base: Path | None, cells: Cells, output: Path) -> None:
    """The base's bytes as they are, then the new rows; the empty cell is "missing"."""
    dialect = read_dialect(base) if base else None
    names = dialect.names if dialect else tuple(cells)
    rows = len(next(iter(cells.values())))
    columns = [_texts(cells[name]).to_pylist() if name in cells else [None] * rows for name in names]
    if base:
        _copy_lines(base, output)
    with output.open("a" if base else "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=dialect.delimiter if dialect else ",", lineterminator="\n")
        if base is None:
            writer.writerow(names)
        writer.writerows(zip(*columns, strict=True))


def append_parquet(base: Path | None, cells: Cells, output: Path) -> None:
    """The base's batches, then the new rows. An integer column that gains a fraction becomes float64."""
    import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start
    import pyarrow.parquet as pq  # noqa: PLC0415

    if base is None:
        pq.write_table(pa.table({name: _array(values) for name, values in cells.items()}), output)
        return
    rows = len(next(iter(cells.values())))
    with pq.ParquetFile(base) as file:
        columns = [_fitted(cells.get(field.name), field, rows) for field in file.schema_arrow]
        schema = pa.schema(
            [
                field.with_type(column.type).with_nullable(True)
                for field, column in zip(file.schema_arrow, columns, strict=True)
            ]
        )
        with pq.ParquetWriter(output, schema) as writer:
            for batch in file.iter_batches():
                writer.write_batch(batch.cast(schema))
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _copy_lines(base: Path, output: Path) -> None:
    with base.open("rb") as source, output.open("wb") as file:
        shutil.copyfileobj(source, file)
        source.seek(-1, 2)
        if source.read(1) not in (b"\n", b"\r"):
            file.write(b"\n")


def _fitted(values: NDArray[Any] | None, field: "pa.Field", rows: int) -> "pa.Array":
    """New values in the column's type, or in the narrowest that holds both old and new ones."""
    import pyarrow as pa  # noqa: PLC0415 - see append_parquet

    type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if values is None:
        return pa.nulls(rows, type_)
    array = _array(values)
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return _texts(values).cast(type_)
    for wider in (type_, pa.float64()):
        try:
            return array.cast(wider)
        except pa.ArrowInvalid:
            continue
    return _texts(values)


def _array(values: NDArray[Any]) -> "pa.Array":
    """Arrow values; NaN and the empty string are missing."""
    import pyarrow as pa  # noqa: PLC0415 - see append_parquet

    if values.dtype.kind in "OUS":
        texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]
        return pa.array([text or None for text in texts], pa.string())
    return pa.array(np.ascontiguousarray(values), from_pandas=True)


def _texts(values: NDArray[Any]) -> "pa.StringArray":
    """The shortest texts that read back as the same values ("0.1" for the float32, "1" for 1.0)."""
    import pyarrow as pa  # noqa: PLC0415 - see append_parquet

    array = _array(values)
    return array if pa.types.is_string(array.type) else array.cast(pa.string())
