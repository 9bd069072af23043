"""CSV bodies, with or without a header line. Cells are read as data sets read them: see kit.cells."""

import csv
import io
from collections.abc import Collection, Iterator
from typing import Any

from modelyard.dataplane.errors import CsvInvalidError
from modelyard.dataplane.tensors import WireTensor
from modelyard.kit.cells import DELIMITERS, MISSING, as_number
from modelyard.protocols.inputs import encode_list
from modelyard.protocols.invocations.tables import Cell, columns_of, from_rows
from modelyard.types.signatures import DataType, Signature, TensorSpec

_MISSING_NUMBERS = frozenset(word.upper() for word in MISSING)
_HEADER_PRESENT, _HEADER_ABSENT = "header=present", "header=absent"


def parse_csv(body: bytes, signature: Signature, parameters: str) -> list[WireTensor]:
    """The tensors of a body.

    The first line is a header if the Content-Type says so (`text/csv; header=present`, RFC 4180), or if it names
    columns of the model. With a header the columns may come in any order; without one they come in the signature's.

    Raises:
        InvalidInputError: what is wrong, in which line, and what to send instead.
    """
    columns = columns_of(signature)
    known = {cell.name: cell for cell in columns}
    lines = _lines(body, known)
    if not columns:
        return _numbers(signature, lines)
    first = lines[0]
    if _HEADER_ABSENT not in parameters and (_HEADER_PRESENT in parameters or any(name in known for name in first)):
        return from_rows(signature, [_record(first, line, known, number) for number, line in enumerate(lines[1:], 2)])
    rows = [_row(line, columns, number) for number, line in enumerate(lines, 1)]
    return from_rows(signature, rows)


def _lines(body: bytes, known: Collection[str]) -> list[list[str]]:
    """Trimmed cells of all lines, split where the first one falls into most of the columns that are known."""
    try:
        text = body.decode("utf-8-sig")
        firsts = {one: next(_split(text, one, is_strict=False), []) for one in DELIMITERS}
        delimiter = max(DELIMITERS, key=lambda one: _fitness(firsts[one], known))
        lines = [*_split(text, delimiter)]
    except UnicodeDecodeError as error:
        raise CsvInvalidError(f"the body is no UTF-8 text: {error.reason}", hint="Send UTF-8.") from None
    except csv.Error as error:
        raise CsvInvalidError(f"the body is no CSV: {error}", hint="Quote cells with commas or line ends.") from None
    if not lines:
        raise CsvInvalidError("the body holds no line", hint="Send one line per row.")
    return lines


def _split(text: str, delimiter: str, *, is_strict: bool = True) -> Iterator[list[str]]:
    for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=is_strict):
        if line:
            yield [cell.strip() for cell in line]


def _fitness(first: list[str], known: Collection[str]) -> tuple[int, bool]:
    """Names of columns in the line; failing that, whether it has as many cells as there are columns."""
    return len({*first} & {*known}), len(first) == len(known)


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
        return None if text in MISSING and spec.allows_missing else text
    if text.upper() in _MISSING_NUMBERS:
        return None
    try:
        return as_number(text) if spec.datatype.startswith("FP") else _as_integer(text)
    except ValueError:
        raise CsvInvalidError(
            f"line {number}" + (f", column '{name}'" if name else "") + f": '{text[:40]}' is no number",
            hint="Leave a missing value empty; write decimals with a point.",
            field=name or None,
        ) from None


def _as_integer(text: str) -> int:
    """Exact also where a float is not."""
    if text.removeprefix("-").isdecimal():
        return int(text)
    value = as_number(text)
    if not value.is_integer():
        raise ValueError(text)
    return int(value)
