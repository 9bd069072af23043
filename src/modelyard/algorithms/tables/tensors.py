"""Between tables and the two input tensors of a table model: "numeric" (n, k) and "categorical" (n, m)."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.errors import ColumnsInvalidError
from modelyard.data.readers.numbers import parse_numbers
from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import DataType, TensorSpec

if TYPE_CHECKING:
    import pyarrow as pa

NUMERIC, CATEGORICAL = "numeric", "categorical"


def input_specs(numeric: tuple[str, ...], categorical: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    """The inputs of a table model; a tensor without columns is left out. Missing values are always allowed."""
    tensors = ((NUMERIC, DataType.FP32, numeric), (CATEGORICAL, DataType.BYTES, categorical))
    return tuple(
        TensorSpec(name=name, datatype=datatype, shape=(-1, len(columns)), columns=columns, allows_missing=True)
        for name, datatype, columns in tensors
        if columns
    )


def to_tensors(table: "pa.Table", inputs: tuple[TensorSpec, ...]) -> Tensors:
    """The tensors of a signature out of a table that has at least its columns.

    NaN and "" are missing. A number in a category column is written as text ("3"), a text in a number column is parsed.

    Raises:
        ColumnsInvalidError: the table lacks a column; the hint has the nearest name.
    """
    tensors: Tensors = {}
    for spec in inputs:
        columns = spec.columns or tuple(table.column_names)
        check_present(table.column_names, columns)
        is_text = spec.datatype is DataType.BYTES
        matrix: NDArray[Any] = np.empty((table.num_rows, len(columns)), dtype=object if is_text else np.float32)
        for index, name in enumerate(columns):
            values = table.column(name).combine_chunks()
            matrix[:, index] = category_texts(values) if is_text else _numbers(values)
        tensors[spec.name] = matrix
    return tensors


def category_texts(values: "pa.Array") -> NDArray[Any]:
    """Object array of str (n,); missing is ""."""
    import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

    if pa.types.is_floating(values.type):
        values = values.cast(pa.float32(), safe=False)  # as data.extend writes captured numbers: 3.0 is "3"
    texts: NDArray[Any] = values.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False)
    return texts


def _numbers(values: "pa.Array") -> NDArray[np.float32]:
    import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

    if pa.types.is_string(values.type):
        values = parse_numbers(values)
    elif pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        narrow: NDArray[np.float32] = numbers.astype(np.float32)
    narrow[np.isinf(narrow)] = np.nan  # beyond float32: no model could be asked with it
    return narrow


def check_present(names: Sequence[str], columns: Iterable[str]) -> None:
    """Return if a table of columns `names` has all of `columns`.

    Raises:
        ColumnsInvalidError: it lacks one; the hint has the nearest name.
    """
    there = set(names)
    missing = [name for name in columns if name not in there]
    if missing:
        close = get_close_matches(missing[0], names, n=1)
        guess = f"Did you mean '{close[0]}'? " if close else ""
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ColumnsInvalidError(
            f"The table has no column '{missing[0]}'{more}, which the model needs",
            hint=f"{guess}Use a table with the columns that the model was trained on.",
        )
