"""What was measured, as lines of JSON: nothing is lost when a run is cut short, and a report can be made again."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

Record = dict[str, Any]


class Records:
    """All records of a run, in memory and in a file."""

    def __init__(self, path: Path | None = None, records: list[Record] | None = None) -> None:
        self._records = records or []
        self._path = path

    @classmethod
    def read(cls, path: Path) -> "Records":
        """The records of an earlier run."""
        return cls(records=[json.loads(line) for line in path.read_text().splitlines()])

    def add(self, kind: str, **fields: Any) -> None:
        """One more."""
        record = {"kind": kind, **fields}
        self._records.append(record)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(record) + "\n")

    def of(self, kind: str, **fields: Any) -> Iterator[Record]:
        """Those of a kind with these fields."""
        for record in self._records:
            if record["kind"] == kind and all(record.get(name) == value for name, value in fields.items()):
                yield record

    def middle(self, kind: str, field: str, **fields: Any) -> float | None:
        """The median of a field; None if there is no record."""
        values = [record[field] for record in self.of(kind, **fields) if record.get(field) is not None]
        return median(values) if values else None
