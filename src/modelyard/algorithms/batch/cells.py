"""Cells of a table to the tensors of a model, whole columns at a time; a cell that does not fit costs its row only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.batch.columns import InputColumns
from modelyard.algorithms.tables.tensors import category_texts
from modelyard.data.readers.numbers import parse_numbers
from modelyard.kit.cells import FALSE_WORDS, TRUE_WORDS
from modelyard.runtimes.base import Tensors, numpy_dtype
from modelyard.runtimes.validate import TensorTypeError, TensorValueError

if TYPE_CHECKING:
    import pyarrow as pa

Faults = dict[int, str]
"""Number of a row in its batch -> why the model cannot be asked about it."""


def to_tensors(batch: "pa.RecordBatch", inputs: Sequence[InputColumns]) -> tuple[Tensors, Faults]:
    """The tensors of a batch; rows with a fault hold anything and must not be asked."""
    tensors: Tensors = {}
    faults: Faults = {}
    for columns in inputs:
        spec = columns.spec
        cells = [batch.column(name) for name in columns.names]
        matrix = np.empty((batch.num_rows, len(columns.names)), dtype=numpy_dtype(spec.datatype))
        fill = _FILLERS.get(matrix.dtype.kind, _fill_whole)
        fill(matrix, columns, cells, faults)
        tensors[spec.name] = matrix if len(spec.shape) > 1 else matrix[:, 0]
    return tensors, faults


def _fill_texts(matrix: NDArray[Any], columns: InputColumns, cells: "list[pa.Array]", faults: Faults) -> None:
    for index, (name, values) in enumerate(zip(columns.names, cells, strict=True)):
        matrix[:, index] = category_texts(values)
        if not columns.spec.allows_missing and columns.spec.columns:
            _note(faults, name, values, np.asarray(matrix[:, index] == ""), "a text")


def _fill_floats(matrix: NDArray[Any], columns: InputColumns, cells: "list[pa.Array]", faults: Faults) -> None:
    with np.errstate(over="ignore"):
        for index, (name, values) in enumerate(zip(columns.names, cells, strict=True)):
            numbers, misfits = _numbers(values)
            if misfits is not None:
                _note(faults, name, values, misfits, "a number")
            matrix[:, index] = numbers
    if np.isfinite(matrix).all():  # at once: column by column it takes longer than a linear model
        return
    bad = np.isinf(matrix) if columns.spec.allows_missing else ~np.isfinite(matrix)
    for index in np.flatnonzero(bad.any(axis=0)).tolist():
        _note(faults, columns.names[index], cells[index], bad[:, index], "a finite number")


def _fill_whole(matrix: NDArray[Any], columns: InputColumns, cells: "list[pa.Array]", faults: Faults) -> None:
    """Integers and truth values, which have no NaN to stand for a missing value."""
    is_truth = matrix.dtype.kind == "b"
    low, high = (0, 1) if is_truth else (np.iinfo(matrix.dtype).min, np.iinfo(matrix.dtype).max)
    wanted = "true or false" if is_truth else f"a whole number from {low} to {high}"
    for index, (name, values) in enumerate(zip(columns.names, cells, strict=True)):
        numbers, misfits = _numbers(values)
        if misfits is not None:
            _note(faults, name, values, misfits, "a number")
        with np.errstate(invalid="ignore"):
            fits = (numbers >= low) & (numbers <= high) & (np.floor(numbers) == numbers)
        if not fits.all():
            _note(faults, name, values, ~fits, wanted)
            numbers = np.where(fits, numbers, 0)
        matrix[:, index] = numbers.astype(matrix.dtype)


_FILLERS = {"O": _fill_texts, "f": _fill_floats}


def _numbers(values: "pa.Array") -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Numbers (missing: NaN) and which cells are texts that are none."""
    import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

    types = pa.types
    if types.is_floating(values.type) or types.is_integer(values.type):
        return values.to_numpy(zero_copy_only=False), None
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if types.is_string(values.type) or types.is_large_string(values.type) or types.is_string_view(values.type):
        return _parsed(values.cast(pa.string()))
    if types.is_date(values.type) or types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None))).cast(pa.int64())
    else:
        values = values.cast(pa.float64())  # truth values, decimals, nothing at all
    return values.to_numpy(zero_copy_only=False), None


def _parsed(texts: "pa.StringArray") -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow
    import pyarrow.compute as pc  # noqa: PLC0415

    numbers = parse_numbers(texts)
    if numbers.null_count == texts.null_count:
        return numbers.to_numpy(zero_copy_only=False), None
    words = pc.utf8_lower(texts)
    is_true, is_false = (pc.is_in(words, pa.array(sorted(known))) for known in (TRUE_WORDS, FALSE_WORDS))
    numbers = pc.if_else(is_true, 1.0, pc.if_else(is_false, 0.0, numbers))
    misfits = pc.and_(pc.is_null(numbers), pc.is_valid(texts))
    return numbers.to_numpy(zero_copy_only=False), misfits.to_numpy(zero_copy_only=False)


def _note(faults: Faults, name: str, values: "pa.Array", bad: NDArray[np.bool_], wanted: str) -> None:
    """Say what is wrong with these rows, unless something was wrong with them before."""
    for row in np.flatnonzero(bad).tolist():
        if row in faults:
            continue
        cell = values[row].as_py()
        code = TensorTypeError.code if isinstance(cell, str) else TensorValueError.code
        found = "is missing" if cell is None or cell != cell else f"holds {str(cell)[:60]!r}"  # noqa: PLR0124 - NaN
        faults[row] = f"{code}: column '{name[:80]}' {found}, the model takes {wanted}"
