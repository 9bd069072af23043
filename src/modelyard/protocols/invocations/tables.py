"""Rows, records and columns to the tensors of a signature.

A model over a table takes up to two tensors, numbers and categories; together their columns, in the signature's order,
are the columns of a row. A model over anything else takes one tensor, and a row is one entry of its first dimension.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import prod
from typing import Any, NamedTuple

from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import InvalidInputError
from modelyard.protocols.inputs import encode_list, flatten
from modelyard.runtimes.validate import TensorMissingError, TensorShapeError, TensorTypeError, TensorUnknownError
from modelyard.types.signatures import DataType, Signature, TensorSpec


class Cell(NamedTuple):
    """A column of a row: the tensor that it goes to."""

    spec: TensorSpec
    name: str


def columns_of(signature: Signature) -> list[Cell]:
    """The columns of a row; empty if the model does not take tables."""
    if not all(len(spec.columns) == spec.shape[-1] and len(spec.shape) == 2 for spec in signature.inputs):  # noqa: PLR2004
        return []
    return [Cell(spec, name) for spec in signature.inputs for name in spec.columns]


def from_rows(signature: Signature, rows: Sequence[Any]) -> list[WireTensor]:
    """Tensors of rows: lists of cells, nested lists, or records.

    Raises:
        InvalidInputError: an error of runtimes.validate, of the first row that does not fit.
    """
    if not rows:
        raise TensorShapeError("the request holds no row", hint="Send at least one.")
    if isinstance(rows[0], dict):
        return from_records(signature, rows)
    columns = columns_of(signature)
    if len(signature.inputs) > 1 and not columns:
        names = ", ".join(f"'{spec.name}'" for spec in signature.inputs)
        raise TensorShapeError("each row must be an object", hint=f"Give each row the inputs {names}.")
    if len(signature.inputs) == 1:
        return [_whole(signature.inputs[0], rows)]
    _check_widths(rows, [cell.name for cell in columns])
    return _from_cells(
        signature, [[_cell(cell, value) for cell, value in zip(columns, row, strict=True)] for row in rows]
    )


def from_records(signature: Signature, records: Sequence[Any]) -> list[WireTensor]:
    """Tensors of records: {column: value} or {input: tensor of one row}.

    Raises:
        InvalidInputError: unknown or missing columns, values of another type.
    """
    if not all(isinstance(record, dict) for record in records):
        raise TensorShapeError("some rows are objects and some are not", hint="Give all rows the same form.")
    inputs = {spec.name for spec in signature.inputs}
    columns = columns_of(signature)
    if records[0].keys() <= inputs or not columns:
        _check_keys(records, [spec.name for spec in signature.inputs], required=inputs)
        return [_whole(spec, [record[spec.name] for record in records]) for spec in signature.inputs]
    required = {cell.name for cell in columns if not cell.spec.allows_missing}
    _check_keys(records, [cell.name for cell in columns], required=required)
    return _from_cells(signature, [[_cell(cell, record.get(cell.name)) for cell in columns] for record in records])


def from_columns(signature: Signature, columns: Mapping[str, Any]) -> list[WireTensor]:
    """Tensors of {input: tensor} or {column: list of values}.

    Raises:
        InvalidInputError: unknown or missing names, unequal lengths, values of another type.
    """
    inputs = {spec.name for spec in signature.inputs}
    if columns.keys() <= inputs or not columns_of(signature):
        _check_keys([columns], [spec.name for spec in signature.inputs], required=inputs)
        return [_whole(spec, _as_list(spec.name, columns[spec.name])) for spec in signature.inputs]
    lists = {name: _as_list(name, values) for name, values in columns.items()}
    if len({len(values) for values in lists.values()}) != 1:
        raise TensorShapeError("the columns are not all equally long", hint="null stands for a missing value.")
    return from_records(signature, [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)])


def check_columns(signature: Signature, columns: Mapping[str, Any]) -> None:
    """Return if the names are those of the model's inputs or columns, and none is missing that must be there.

    Raises:
        TensorUnknownError: a name that the model does not have.
        TensorMissingError: one that it needs.
    """
    inputs = {spec.name for spec in signature.inputs}
    cells = columns_of(signature)
    if columns.keys() <= inputs or not cells:
        _check_keys([columns], [spec.name for spec in signature.inputs], required=inputs)
        return
    _check_keys([columns], [c.name for c in cells], required={c.name for c in cells if not c.spec.allows_missing})


def _whole(spec: TensorSpec, rows: Sequence[Any]) -> WireTensor:
    """One tensor whose rows are `rows`; a row may be flat where the signature fixes its shape."""
    shape, data = flatten(list(rows), f"inputs.{spec.name}")
    rest = spec.shape[1:]
    if shape[1:] != rest and -1 not in rest and prod(shape[1:]) == prod(rest) and len(shape) <= 2:  # noqa: PLR2004
        shape = (shape[0], *rest)
    return encode_list(spec.name, spec.datatype, shape, data)


def _from_cells(signature: Signature, rows: list[list[Any]]) -> list[WireTensor]:
    tensors, start = [], 0
    for spec in signature.inputs:
        end = start + len(spec.columns)
        data = [value for row in rows for value in row[start:end]]
        tensors.append(encode_list(spec.name, spec.datatype, (len(rows), end - start), data))
        start = end
    return tensors


def _cell(cell: Cell, value: Any) -> Any:
    """A value fit for its column's type; the tensor's own checks find the rest."""
    if cell.spec.datatype is DataType.BYTES and isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # a category that is written as a number
    if isinstance(value, list | dict):
        raise TensorTypeError(
            f"column '{cell.name}' holds a list or an object", hint="A cell is one value.", field=cell.name
        )
    if isinstance(value, str) and cell.spec.datatype is not DataType.BYTES:
        raise TensorTypeError(
            f"column '{cell.name}' must be a number, got '{value[:40]}'",
            hint="Send it without quotes.",
            field=cell.name,
        )
    return value


def _check_widths(rows: Sequence[Any], names: list[str]) -> None:
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            size = f"{len(row)} values" if isinstance(row, list) else "no list"
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004 - fits one line
            raise TensorShapeError(
                f"row {number} has {size}, the model takes {len(names)}", hint=f"In this order: {shown}."
            )


def _check_keys(records: Sequence[Mapping[str, Any]], known: list[str], required: set[str]) -> None:
    names = set(known)
    for number, record in enumerate(records):
        if unknown := record.keys() - names:
            raise _unknown(min(unknown), known, number)
        if missing := required - record.keys():
            name = min(missing)
            raise TensorMissingError(
                f"row {number} has no '{name}'", hint=f"The model takes {', '.join(known[:20])}.", field=name
            )


def _unknown(name: str, known: list[str], number: int) -> InvalidInputError:
    close = get_close_matches(name, known, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"The model takes {', '.join(known[:20])}."
    return TensorUnknownError(f"row {number} has '{name[:80]}', which the model does not", hint=hint, field=name[:80])


def _as_list(name: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise TensorShapeError(f"'{name[:80]}' must be a list with at least one entry", hint="One entry per row.")
    return values
