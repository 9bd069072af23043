"""CSV bodies, with or without a header line."""

import csv
import io
from typing import Any

from modelyard.dataplane.errors import CsvInvalidError
from modelyard.dataplane.tensors import WireTensor
from modelyard.protocols.inputs import encode_list
from modelyard.protocols.invocations.tables import Cell, columns_of, from_rows
from modelyard.types.signatures import DataType, Signature, TensorSpec

_MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?"))
_HEADER_PRESENT, _HEADER_ABSENT = "header=present", "header=absent"


def parse_csv(body: bytes, signature: Signature, parameters: str) -> list[WireTensor]:
    """The tensors of a body.

    The first line is a header if the Content-Type says so (`text/csv; header=present`, RFC 4180), or if it names
    columns of the model. With a header the columns may come in any order; without one they come in the signature's.

    Raises:
        InvalidInputError: what is wrong, in which line, and what to send instead.
    """
    lines = _lines(body)
    columns = columns_of(signature)
    if not columns:
        return _numbers(signature, lines)
    first = [cell.strip() for cell in lines[0]]
    known = {cell.name: cell for cell in columns}
    if _HEADER_ABSENT not in parameters and (_HEADER_PRESENT in parameters or any(name in known for name in first)):
        return from_rows(signature, [_record(first, line, known, number) for number, line in enumerate(lines[1:], 2)])
    rows = [_row(line, columns, number) for number, line in enumerate(lines, 1)]
    return from_rows(signature, rows)


def _lines(body: bytes) -> list[list[str]]:
    try:
        text = body.decode("utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except UnicodeDecodeError as error:
        raise CsvInvalidError(f"the body is no UTF-8 text: {error.reason}", hint="Send UTF-8.") from None
    except csv.Error as error:
        raise CsvInvalidError(f"the body is no CSV: {error}", hint="Quote cells with commas or line ends.") from None
    if not lines:
        raise CsvInvalidError("the body holds no line", hint="Send one line per row.")
    return lines


def _record(header: list[str], line: list[str], known: dict[str, Cell], number: int) -> dict[str, Any]:
    if len(line) != len(header):
        raise CsvInvalidError(
            f"line {number} has {len(line)} cells, the header has {len(header)}", hint="Quote cells with commas."
        )
    cells = zip(header, line, strict=True)
    return {name: _value(known[name].spec, name, text, number) if name in known else text for name, text in cells}


def _row(line: list[str], columns: list[Cell], number: int) -> list[Any]:
    if len(line) != len(columns):
        shown = ", ".join(cell.name for cell in columns[:12])
        raise CsvInvalidError(
            f"line {number} has {len(line)} cells, the model takes {len(columns)}",
            hint=f"In this order: {shown}{', ...' if len(columns) > 12 else ''}.",  # noqa: PLR2004 - fits one line
        )
    return [_value(cell.spec, cell.name, text, number) for cell, text in zip(columns, line, strict=True)]


def _numbers(signature: Signature, lines: list[list[str]]) -> list[WireTensor]:
    """A model without columns: each line is one row of its only tensor, flat."""
    spec = signature.inputs[0]
    if len(signature.inputs) > 1:
        raise CsvInvalidError("this model's inputs have no columns", hint="Send JSON.")
    rows = [[_value(spec, "", text, number) for text in line] for number, line in enumerate(lines, 1)]
    if len(spec.shape) == 1:
        return [encode_list(spec.name, spec.datatype, (len(rows),), [value for row in rows for value in row])]
    return from_rows(signature, rows)


def _value(spec: TensorSpec, name: str, text: str, number: int) -> Any:
    if spec.datatype is DataType.BYTES:
        return text
    text = text.strip()
    if text.lower() in _MISSING:
        return None
    parse = float if spec.datatype.startswith("FP") else int
    try:
        return parse(text.replace("_", "?"))  # Python reads 1_000 as a number, CSV does not
    except ValueError:
        raise CsvInvalidError(
            f"line {number}" + (f", column '{name}'" if name else "") + f": '{text[:40]}' is no number",
            hint="Leave a missing value empty; write decimals with a point.",
            field=name or None,
        ) from None
