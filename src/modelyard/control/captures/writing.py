"""A table of captures becomes a Parquet object and the row that describes it."""

import tempfile
from pathlib import Path
from typing import Any

from modelyard.control.captures.batches import CaptureBatch, moment
from modelyard.control.captures.parquet import write_table
from modelyard.kit.clock import Clock
from modelyard.storage.objects import ObjectStore


class BatchWriter:
    """Writes objects ("captures/<project>/<endpoint>/<yyyy-mm-dd>/<segment>.parquet"). Safe from any thread."""

    def __init__(self, objects: ObjectStore, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock

    def write(self, table: Any, *, segment: str, project: str, endpoint: str, day: str, level: int = 0) -> CaptureBatch:
        """Store a table that has rows, sorted by time; the same one under the same name as often as need be.

        Raises:
            UnavailableError: the object store does not answer.
        """
        import pyarrow.compute as pc  # noqa: PLC0415 - 0.4 s that the control process must start without

        key = f"captures/{project}/{endpoint}/{day}/{segment}.parquet"
        with tempfile.TemporaryDirectory(prefix="modelyard-captures-") as folder:
            path = Path(folder) / "batch.parquet"
            write_table(table, path)
            self._objects.put_file(key, path)
            size = path.stat().st_size
        versions = table.group_by(["model", "number"]).aggregate([]).to_pylist()
        ids, times = pc.min_max(table["id"]).as_py(), pc.min_max(table["at_ns"]).as_py()
        return CaptureBatch(
            segment=segment,
            project=project,
            endpoint=endpoint,
            day=day,
            object_key=key,
            size_bytes=size,
            inferences=len(table),
            rows=pc.sum(table["rows"]).as_py(),
            versions=tuple(sorted(f"{row['model']}:{row['number']}" for row in versions)),
            variants=tuple(sorted(pc.unique(table["variant"]).to_pylist())),
            first_id=ids["min"],
            last_id=ids["max"],
            first_at=moment(times["min"]),
            last_at=moment(times["max"]),
            created_at=self._clock.now(),
            level=level,
        )
