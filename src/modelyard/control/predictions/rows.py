"""The rows of a CSV or Parquet file in the columns that a model takes, some at a time."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modelyard.control.references.errors import ReferenceInvalidError
from modelyard.data.errors import DatasetInvalidError
from modelyard.data.readers.delimited import read_dialect, text_batches
from modelyard.kit.cells import FALSE_WORDS, TRUE_WORDS, as_number
from modelyard.types.datasets import DatasetFormat
from modelyard.types.signatures import DataType, Signature

Rows = tuple[list[str], list[list[Any]]]
"""Names of columns, and rows."""

_INTEGERS = tuple(kind for kind in DataType if "INT" in kind)


def read_rows(path: Path, format: DatasetFormat, signature: Signature, size: int) -> Iterator[Rows]:
    """At most `size` rows at a time, only of the columns that the signature names.

    Raises:
        ReferenceInvalidError: the file is damaged, holds no table, or none of the columns.
    """
    kinds = _kinds(signature)
    try:
        for batch in _batches(path, format, size):
            names = [name for name in batch.schema.names if name in kinds]
            if not names:
                raise ReferenceInvalidError(
                    f"The data has none of the model's columns ({', '.join(list(kinds)[:10])})",
                    hint="Name the columns as the endpoint's page does: /endpoints/<endpoint>/docs.",
                )
            converters = [_converter(kinds[name]) for name in names]
            columns = [batch.column(name).to_pylist() for name in names]
            rows = [
                [None if cell is None else convert(cell) for cell, convert in zip(row, converters, strict=True)]
                for row in zip(*columns, strict=True)
            ]
            for start in range(0, len(rows), size):
                yield names, rows[start : start + size]
    except DatasetInvalidError as error:
        raise ReferenceInvalidError(f"The data cannot be read: {error.message}", hint=error.hint) from error


def _batches(path: Path, format: DatasetFormat, size: int) -> Iterator[Any]:
    if format is DatasetFormat.CSV:
        yield from text_batches(path, read_dialect(path))
        return
    if format is not DatasetFormat.PARQUET:
        raise ReferenceInvalidError(
            f"Data in the format '{format}' is not answered by reference", hint="Use CSV or Parquet."
        )
    import pyarrow as pa  # noqa: PLC0415 - 0.4 s that the control process must start without
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=size)
    except (pa.ArrowException, OSError) as error:
        raise ReferenceInvalidError(f"The data is no Parquet file: {error}", hint="Say its `format`.") from error


def _kinds(signature: Signature) -> Mapping[str, DataType]:
    return {name: spec.datatype for spec in signature.inputs for name in (spec.columns or (spec.name,))}


def _converter(kind: DataType) -> Callable[[Any], Any]:
    if kind is DataType.BYTES:
        return lambda cell: cell if isinstance(cell, str | list) else str(cell)
    if kind is DataType.BOOL:
        return lambda cell: _truth(cell) if isinstance(cell, str) else cell
    return lambda cell: _number(cell, kind) if isinstance(cell, str) else cell


def _truth(text: str) -> Any:
    word = text.strip().lower()
    return word in TRUE_WORDS if word in TRUE_WORDS | FALSE_WORDS else text


def _number(text: str, kind: DataType) -> Any:
    """What is no number stays text: the gateway refuses that row and says why."""
    try:
        value = as_number(text.strip())
    except ValueError:
        return text
    return int(value) if kind in _INTEGERS and value.is_integer() else value
