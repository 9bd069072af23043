"""From the spool to the object store: each closed segment becomes Parquet objects and their rows, exactly once.

Killed at any line it goes on where it stopped, because each step can be repeated: the object's key comes from the
segment's name, all rows of a segment are written in one transaction, and the segment is deleted last.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

from modelyard.control.captures.batches import CaptureBatch
from modelyard.control.captures.parquet import moment, write_records
from modelyard.control.captures.repository import CaptureRepository
from modelyard.dataplane.captures import closed_segments, read_segment
from modelyard.dataplane.errors import CaptureDamagedError
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore
from modelyard.types.tensors import CaptureRecord

_log = structlog.get_logger(__name__)


class CaptureIngest:
    """Takes over what the gateways spooled. One object per spool at a time.

    Args:
        database: of Operations.
        repository: the SQL.
        objects: where the Parquet objects go ("captures/<project>/<endpoint>/<yyyy-mm-dd>/<segment>.parquet").
        spool: folder of the segments.
        clock: for times.
    """

    def __init__(
        self, database: Database, repository: CaptureRepository, objects: ObjectStore, spool: Path, clock: Clock
    ) -> None:
        self._database = database
        self._repository = repository
        self._objects = objects
        self._spool = spool
        self._clock = clock

    def run_once(self) -> int:
        """Take over all closed segments; returns how many inferences that were.

        Raises:
            UnavailableError: the object store does not answer; the segments stay in the spool for the next time.
        """
        return sum(self.ingest(path) for path in closed_segments(self._spool))

    def ingest(self, segment: Path) -> int:
        """Take over one segment and delete it; one that is damaged is read up to the damage and kept aside."""
        with self._database.read() as connection:
            is_ingested = self._repository.is_ingested(connection, segment.stem)
        records, damage = ([], None) if is_ingested else _read(segment)
        if records:
            self._store(segment.stem, records)
        if damage is None:
            segment.unlink(missing_ok=True)
        else:
            _log.error("capture segment is damaged", segment=segment.name, read=len(records), reason=str(damage))
            aside = segment.parent / "damaged"
            aside.mkdir(exist_ok=True)
            segment.replace(aside / segment.name)
        return len(records)

    def _store(self, segment: str, records: Sequence[CaptureRecord]) -> None:
        parts: dict[tuple[str, str, str], list[CaptureRecord]] = {}
        for record in sorted(records, key=lambda record: (record.at_ns, record.id)):
            day = moment(record.at_ns).date().isoformat()
            parts.setdefault((record.project, record.endpoint, day), []).append(record)
        batches = [self._put(segment, *place, part) for place, part in parts.items()]
        with self._database.transaction() as connection:
            if not self._repository.is_ingested(connection, segment):
                self._repository.insert(connection, batches)

    def _put(
        self, segment: str, project: str, endpoint: str, day: str, records: Sequence[CaptureRecord]
    ) -> CaptureBatch:
        key = f"captures/{project}/{endpoint}/{day}/{segment}.parquet"
        with tempfile.TemporaryDirectory(prefix="modelyard-captures-") as folder:
            path = Path(folder) / "batch.parquet"
            write_records(records, path)
            self._objects.put_file(key, path)
            size = path.stat().st_size
        return CaptureBatch(
            segment=segment,
            project=project,
            endpoint=endpoint,
            day=day,
            object_key=key,
            size_bytes=size,
            inferences=len(records),
            rows=sum(record.rows for record in records),
            versions=tuple(sorted({f"{record.model}:{record.number}" for record in records})),
            variants=tuple(sorted({record.variant for record in records})),
            first_id=min(record.id for record in records),
            last_id=max(record.id for record in records),
            first_at=moment(records[0].at_ns),
            last_at=moment(records[-1].at_ns),
            created_at=self._clock.now(),
        )


def _read(segment: Path) -> tuple[list[CaptureRecord], CaptureDamagedError | None]:
    """All records up to the end, or up to where the file is damaged."""
    records: list[CaptureRecord] = []
    try:
        records.extend(read_segment(segment))
    except CaptureDamagedError as error:
        return records, error
    return records, None
