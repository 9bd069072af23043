"""CSV files as they come: delimiter, header and encoding found out; every cell delivered as trimmed text or missing."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.data.errors import CsvInvalidError, DatasetEmptyError, DatasetTooLargeError
from modelyard.data.formats import SAMPLE_BYTES
from modelyard.kit.cells import DELIMITERS, MISSING

if TYPE_CHECKING:
    import pyarrow as pa

MAX_COLUMNS = 20_000
_SAMPLE_ROWS = 100
_MIN_BLOCK, _MAX_BLOCK = 8 << 20, 128 << 20
_ROWS_PER_BLOCK = 4_000  # fewer rows a block make 5,000 columns slow: each block costs some 50 us a column


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a CSV file is written. `names` are made up ("column_1") where the file has none."""

    delimiter: str
    has_header: bool
    names: tuple[str, ...]
    row_bytes: int


def read_dialect(path: Path) -> Dialect:
    """Delimiter and column names, from the first MiB.

    Raises:
        CsvInvalidError: not UTF-8, a column name twice, or no telling the columns apart.
        DatasetEmptyError: no line at all.
        DatasetTooLargeError: more than 20,000 columns.
    """
    text = _sample(path)
    candidates = {delimiter: _rows(text, delimiter) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda one: _fitness(candidates[one]))
    rows = candidates[delimiter]
    if not rows:
        raise DatasetEmptyError("the CSV file has no lines", hint="Write a line of column names, then the rows.")
    if len(rows[0]) > MAX_COLUMNS:
        raise DatasetTooLargeError(
            f"the CSV file has {len(rows[0]):,} columns, over the limit of {MAX_COLUMNS:,}",
            hint="Leave out columns, or split the data.",
        )
    has_header = not _is_data(rows[0])
    if has_header and len(rows) == 1 and path.stat().st_size < SAMPLE_BYTES:
        raise DatasetEmptyError("the CSV file has column names but no rows", hint="Add at least one row of data.")
    header = rows[0] if has_header else [""] * len(rows[0])
    return Dialect(
        delimiter=delimiter,
        has_header=has_header,
        names=_names(header),
        row_bytes=max(1, len(text) // len(rows)) if len(rows) < _SAMPLE_ROWS else _average_bytes(rows),
    )


def text_batches(path: Path, dialect: Dialect) -> Iterator["pa.RecordBatch"]:
    """The rows, a few thousand at a time, every column a string column: trimmed, missing values null.

    Raises:
        CsvInvalidError: a line with too many or too few cells, bytes that are not UTF-8, a quote that never closes;
            the message names the line.
    """
    import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start

    last = None
    try:
        for batch in _reader(path, dialect):
            last = batch
            yield pa.RecordBatch.from_arrays([_trimmed(column) for column in batch.columns], names=list(dialect.names))
    except pa.ArrowInvalid as error:
        raise _explained(path, str(error)) from error
    if last is not None and last.num_rows and "\n" in (last.column(last.num_columns - 1)[-1].as_py() or ""):
        _check_quotes(path)


def _reader(path: Path, dialect: Dialect) -> "pa.RecordBatchReader":
    import pyarrow as pa  # noqa: PLC0415 - see text_batches
    import pyarrow.csv as pacsv  # noqa: PLC0415

    return pacsv.open_csv(
        path,
        # One thread: only then can an error name its row.
        read_options=pacsv.ReadOptions(
            use_threads=False,
            block_size=min(_MAX_BLOCK, max(_MIN_BLOCK, dialect.row_bytes * _ROWS_PER_BLOCK)),
            column_names=list(dialect.names),
            skip_rows_after_names=int(dialect.has_header),
        ),
        parse_options=pacsv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(dialect.names, pa.string()),
            null_values=sorted(MISSING),
            strings_can_be_null=True,
        ),
    )


def _trimmed(column: "pa.StringArray") -> "pa.StringArray":
    import pyarrow as pa  # noqa: PLC0415 - see text_batches
    import pyarrow.compute as pc  # noqa: PLC0415

    trimmed = pc.utf8_trim_whitespace(column)
    if pc.sum(pc.binary_length(trimmed)).as_py() == pc.sum(pc.binary_length(column)).as_py():
        return column
    return pc.if_else(pc.is_in(trimmed, pa.array(sorted(MISSING))), None, trimmed)


def _sample(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
        is_whole = not file.read(1)
    head = head.removeprefix(b"\xef\xbb\xbf")
    if not is_whole:
        end = max(head.rfind(b"\n"), head.rfind(b"\r"))
        if end < 0:
            raise DatasetTooLargeError("the first line is longer than 1 MiB", hint="Is this a CSV file?")
        head = head[: end + 1]
    try:
        return head.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(head.count(b"\n", 0, error.start) + 1, head[error.start]) from error


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """The first lines split at `delimiter`; lines without content are left out, as pyarrow does."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) >= _SAMPLE_ROWS:
                break
    except csv.Error as error:
        if not rows:
            raise CsvInvalidError(f"the first line cannot be read: {error}", hint="Is this a CSV file?") from error
    return rows


def _fitness(rows: list[list[str]]) -> tuple[float, int]:
    """Share of lines as wide as the first one, and that width; a delimiter that splits nothing comes last."""
    if not rows or len(rows[0]) == 1:
        return 0.0, 1
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows), len(rows[0])


def _is_data(row: list[str]) -> bool:
    """True if a first line is data: numbers only, and not a count 0, 1, 2, ... as unnamed columns are written."""
    try:
        numbers = [float(cell) for cell in row]
    except ValueError:
        return False
    count = list(range(len(row)))
    return numbers not in (count, [one + 1 for one in count])


def _names(header: list[str]) -> tuple[str, ...]:
    names = [cell.strip() or f"column_{index}" for index, cell in enumerate(header, 1)]
    seen: set[str] = set()
    for index, name in enumerate(names, 1):
        if name in seen:
            raise CsvInvalidError(
                f"line 1: the column name '{name[:80]}' stands twice (again in column {index})",
                hint="Give every column its own name.",
            )
        seen.add(name)
    return tuple(names)


def _average_bytes(rows: list[list[str]]) -> int:
    return max(1, sum(len(cell) + 1 for row in rows for cell in row) // len(rows))


def _explained(path: Path, message: str) -> CsvInvalidError:
    if "invalid UTF8" in message:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return _not_utf8(number, line[error.start])
    if "straddling" in message:
        return CsvInvalidError("a line is too long, or a quote never closes", hint='Look for an unpaired quote (").')
    told = message.removeprefix("CSV parse error: ").replace("Row #", "line ").splitlines()[0][:200]
    return CsvInvalidError(
        f"the CSV file cannot be read: {told}",
        hint="Every line needs as many cells as the first; put cells that hold the delimiter in double quotes.",
    )


def _not_utf8(line: int, byte: int) -> CsvInvalidError:
    return CsvInvalidError(
        f"line {line} is not UTF-8 (byte 0x{byte:02x})",
        hint="Save the file as UTF-8, e.g. `iconv -f WINDOWS-1252 -t UTF-8 old.csv > new.csv`.",
    )


def _check_quotes(path: Path) -> None:
    """Tell a quote that never closes: the last cell then swallows every line to the end of the file."""
    opened_at, quotes = 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            count = line.count(b'"')
            if count % 2 and quotes % 2 == 0:
                opened_at = number
            quotes += count
    if quotes % 2:
        raise CsvInvalidError(f"line {opened_at}: a quote opens and never closes", hint='Pair it, or double it ("").')
