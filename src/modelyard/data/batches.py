"""CSV and Parquet files a batch of rows at a time, from any row on, in bounded memory, cells as the file has them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.data.errors import DatasetInvalidError
from modelyard.data.readers.columns import convert, storage_of
from modelyard.data.readers.delimited import Dialect, read_dialect, text_batches
from modelyard.data.readers.numbers import Storage
from modelyard.data.tables import check_parquet, plan_columns
from modelyard.types.datasets import ColumnKind, DatasetFormat

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class TableFile(ABC):
    """A file with rows.

    Attributes:
        rows: how many there are.
        names: of the columns, each once.
    """

    rows: int
    names: tuple[str, ...]

    @abstractmethod
    def batches(self, columns: Sequence[str], start: int, size: int) -> "Iterator[pa.RecordBatch]":
        """These columns from row `start` on, at most `size` rows at a time. CSV cells are texts, missing ones null.

        Raises:
            DatasetInvalidError: the file is damaged.
        """

    @abstractmethod
    def kept_type(self, name: str) -> "pa.DataType":
        """In which type a column is written to another file.

        Raises:
            DatasetInvalidError: no dataset has columns of this type.
        """

    @abstractmethod
    def kept(self, name: str, values: "pa.Array") -> "pa.Array":
        """Cells of a column in that type."""


class CsvFile(TableFile):
    """Reads all of it once to know how many rows there are and what the columns hold."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._dialect: Dialect = read_dialect(path)
        self.rows, plans = plan_columns(path, DatasetFormat.CSV)
        self.names = tuple(plan.column.name for plan in plans)
        # A column of numbers with a note has cells that are none: as texts they are all kept.
        self._storages = {
            plan.column.name: Storage.STRING
            if plan.column.kind is ColumnKind.NUMBER and plan.column.note
            else plan.storage
            for plan in plans
        }

    def batches(self, columns: Sequence[str], start: int, size: int) -> "Iterator[pa.RecordBatch]":
        """See TableFile. What comes before `start` is read and dropped."""
        chosen = list(columns)
        for batch in text_batches(self._path, self._dialect):
            if start >= batch.num_rows:
                start -= batch.num_rows
                continue
            yield from _pieces(batch.select(chosen).slice(start), size)
            start = 0

    def kept_type(self, name: str) -> "pa.DataType":
        """A number, date or truth value where all cells are."""
        return self._storages[name].arrow()

    def kept(self, name: str, values: "pa.Array") -> "pa.Array":
        """See TableFile."""
        return convert(values, self._storages[name])


class ParquetFile(TableFile):
    """Knows everything from the file's footer; row groups before the start are not read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._types: dict[str, pa.DataType] = {}
        with self._open() as file:
            check_parquet(file)
            self._schema = file.schema_arrow
            self.rows = file.metadata.num_rows
            self._groups = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
        self.names = tuple(self._schema.names)

    def batches(self, columns: Sequence[str], start: int, size: int) -> "Iterator[pa.RecordBatch]":
        """See TableFile."""
        first = 0
        while first < len(self._groups) and start >= self._groups[first]:
            start -= self._groups[first]
            first += 1
        groups = list(range(first, len(self._groups)))
        with self._open() as file:
            for batch in file.iter_batches(batch_size=size, row_groups=groups, columns=list(columns)):
                if start >= batch.num_rows:
                    start -= batch.num_rows
                    continue
                batch.validate(full=True)
                yield batch.select(list(columns)).slice(start)
                start = 0

    def kept_type(self, name: str) -> "pa.DataType":
        """The file's own type; values for a dictionary of them."""
        import pyarrow as pa  # noqa: PLC0415 - see ParquetFile._open

        if name not in self._types:
            type_ = self._schema.field(name).type
            storage_of(name, type_)
            self._types[name] = type_.value_type if pa.types.is_dictionary(type_) else type_
        return self._types[name]

    def kept(self, name: str, values: "pa.Array") -> "pa.Array":
        """See TableFile."""
        type_ = self.kept_type(name)
        return values if values.type == type_ else values.cast(type_)

    @contextmanager
    def _open(self) -> "Iterator[pq.ParquetFile]":
        import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            with pq.ParquetFile(self._path) as file:
                yield file
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DatasetInvalidError(
                f"the Parquet file cannot be read: {str(error).splitlines()[0][:200]}", hint="Write the file again."
            ) from error


def open_table(path: Path, format: DatasetFormat) -> TableFile:
    """The rows of a file.

    Raises:
        DatasetInvalidError: damaged, or no table (CsvInvalidError names the line).
        DatasetEmptyError: no columns, or a CSV file without rows.
        DatasetTooLargeError: over 20,000 columns.
    """
    if format is DatasetFormat.CSV:
        return CsvFile(path)
    if format is DatasetFormat.PARQUET:
        return ParquetFile(path)
    raise DatasetInvalidError(f"data in the format '{format}' holds no table", hint="Use CSV or Parquet.")


def _pieces(batch: "pa.RecordBatch", size: int) -> "Iterator[pa.RecordBatch]":
    for start in range(0, batch.num_rows, size):
        yield batch.slice(start, size)
