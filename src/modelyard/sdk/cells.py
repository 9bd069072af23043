"""CSV text to rows of cells, read as datasets read it: a file that trains a model can be sent to that model."""

import csv
import io
from collections.abc import Collection, Iterator, Mapping

from modelyard.errors import InvalidInputError
from modelyard.kit.cells import DELIMITERS, MISSING


class DataInvalidError(InvalidInputError):
    """Data that cannot be turned into the tensors of the endpoint."""

    code = "data_invalid"


def read_rows(text: str, wanted: Collection[str]) -> list[Mapping[str, str | None]]:
    """The rows under the header: trimmed cells by column name, None for a missing value.

    Args:
        text: lines with cells between `,`, `;`, tabs or `|`; the delimiter is the one that finds most columns.
        wanted: the columns that the endpoint takes.

    Raises:
        DataInvalidError: there are no rows, or a line has more or fewer cells than the header.
    """
    text = text.removeprefix("\ufeff")
    try:
        delimiter = max(DELIMITERS, key=lambda one: len({*next(_lines(text, one), ())} & {*wanted}))
        header, *rows = [*_lines(text, delimiter)] or [[]]
    except csv.Error as error:
        raise DataInvalidError(f"the text is no CSV: {error}", hint="Send UTF-8 text, one line per row.") from None
    if not rows:
        raise DataInvalidError("the CSV holds no rows", hint="It needs a header line and at least one row under it.")
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise DataInvalidError(
                f"row {number} of the CSV has {len(row)} cells, its header has {len(header)}",
                hint='Put cells that hold the delimiter or line ends between ".',
            )
    return [dict(zip(header, (None if cell in MISSING else cell for cell in row), strict=True)) for row in rows]


def _lines(text: str, delimiter: str) -> Iterator[list[str]]:
    """Trimmed cells; lines without content are left out, as datasets do."""
    for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        if line:
            yield [cell.strip() for cell in line]
