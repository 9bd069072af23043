"""Time series of DeepAR: JSON Lines, plain or gzipped, or Parquet files.

Source: docs.aws.amazon.com/sagemaker/latest/dg/deepar.html, "Input/Output Interface".
"""

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.errors import ChannelInvalidError
from modelyard.types.serving.windows import filled

_GZIP, _PARQUET = ".gz", ".parquet"


def read_series(folder: Path) -> list[NDArray[np.float64]]:
    """The targets of a channel, one series each, gaps filled.

    Raises:
        ChannelInvalidError: there are none, or a line is not of this format.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    found = [_target(record, where) for path in files for where, record in _records(path)]
    if not found:
        raise ChannelInvalidError(
            f"The channel '{folder.name}' has no series", hint="Name a prefix that has some.", field="channels"
        )
    return found


def _records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where a series is, and what is told of it."""
    if path.suffix == _PARQUET:
        from pyarrow import ArrowInvalid, parquet  # noqa: PLC0415 - each job reads one format

        try:
            records = parquet.read_table(path).to_pylist()
        except ArrowInvalid as error:
            raise _invalid(path.name) from error
        yield from ((f"{path.name}, row {number}", record) for number, record in enumerate(records, 1))
        return
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == _GZIP else path.read_bytes()
        lines = content.decode().split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise _invalid(path.name) from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path.name}, line {number}"
            try:
                record = json.loads(line)
            except ValueError as error:
                raise _invalid(where) from error
            yield where, record


def _target(record: Any, where: str) -> NDArray[np.float64]:
    try:
        values = np.array([math.nan if value is None else float(value) for value in record["target"]])
    except (TypeError, KeyError, ValueError) as error:
        raise _invalid(where) from error
    if not len(values) or np.isinf(values).any():
        raise _invalid(where)
    return filled(values)


def _invalid(where: str) -> ChannelInvalidError:
    return ChannelInvalidError(
        f"{where} is no time series",
        hint='Write lines like {"start": "2026-01-01 00:00:00", "target": [1.0, "NaN", 2.5]}.',
        field="channels",
    )
