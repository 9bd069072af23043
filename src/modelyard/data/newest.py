"""Cuts a dataset's content down to its last rows."""

import csv
from collections import deque
from pathlib import Path

import numpy as np

from modelyard.data.readers.delimited import read_dialect
from modelyard.data.readers.npz import read_npz
from modelyard.types.datasets import DatasetFormat


def keep_newest(path: Path, format: DatasetFormat, rows: int) -> None:
    """Keep the last `rows` rows of a CSV, Parquet or npz file, in place.

    Raises:
        DatasetInvalidError: the file cannot be read.
    """
    if format is DatasetFormat.NPZ:
        images, labels = read_npz(path)
        with path.open("wb") as file:
            np.savez_compressed(file, images=images[-rows:], labels=labels[-rows:])
    elif format is DatasetFormat.PARQUET:
        import pyarrow.parquet as pq  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start

        table = pq.read_table(path)
        pq.write_table(table.slice(max(0, table.num_rows - rows)), path)
    else:
        _keep_newest_lines(path, rows)


def _keep_newest_lines(path: Path, rows: int) -> None:
    dialect = read_dialect(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter)
        header = next(reader)
        newest = deque(reader, maxlen=rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=dialect.delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(newest)
