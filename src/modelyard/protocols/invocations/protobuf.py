"""Answers as RecordIO files of protobuf records, which SageMaker's SDK reads of built-in algorithms.

Source: SageMaker Developer Guide, "Common data formats for inference", and the response formats of each algorithm.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.kit.formats import recordio


def format_records(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A record for each row, whose label has the row's values by their names; texts are left out."""
    return b"".join(recordio.framed(recordio.answer(_numbers(row))) for row in rows)


def flat(value: Any) -> list[Any]:
    """Nested lists, or a value, as one list."""
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, list) else [value]


def _numbers(row: Mapping[str, Any]) -> dict[str, list[float]]:
    values = {name: flat(value) for name, value in row.items()}
    return {name: each for name, each in values.items() if all(isinstance(leaf, int | float) for leaf in each)}
