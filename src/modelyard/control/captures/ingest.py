"""From the spool to the object store: each closed segment becomes Parquet objects and their rows, exactly once.

Killed at any line it goes on where it stopped, because each step can be repeated: the object's key comes from the
segment's name, all rows of a segment and a mark that it is taken over are written in one transaction, the segment is
deleted after that, and the mark last.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from modelyard.control.captures.gathering import Gathering
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.captures.writing import BatchWriter
from modelyard.dataplane.captures import closed_segments, read_packs
from modelyard.dataplane.errors import CaptureDamagedError
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore
from modelyard.types.tensors import CaptureRecord

_log = structlog.get_logger(__name__)

Observe = Callable[[Sequence[CaptureRecord]], None]


class CaptureIngest:
    """Takes over what the gateways spooled. One object per spool at a time.

    Args:
        database: of Operations.
        repository: the SQL.
        objects: where the Parquet objects go.
        spool: folder of the segments.
        clock: for times.
        observers: told of everything just before it is taken over; after a crash perhaps of some again.
    """

    def __init__(
        self,
        database: Database,
        repository: CaptureRepository,
        objects: ObjectStore,
        spool: Path,
        clock: Clock,
        observers: Sequence[Observe] = (),
    ) -> None:
        self._database = database
        self._repository = repository
        self._writer = BatchWriter(objects, clock)
        self._spool = spool
        self._clock = clock
        self._observers = tuple(observers)

    def run_once(self) -> int:
        """Take over all closed segments; returns how many inferences that were.

        Raises:
            UnavailableError: the object store does not answer; the segments stay in the spool for the next time.
        """
        done: list[str] = []
        count = 0
        try:
            for path in closed_segments(self._spool):
                count += self.ingest(path)
                done.append(path.stem)
        finally:
            if done:
                with self._database.transaction() as connection:
                    self._repository.unmark(connection, done)
        return count

    def ingest(self, segment: Path) -> int:
        """Take over one segment and delete it; one that is damaged is read up to the damage and kept aside."""
        with self._database.read() as connection:
            is_ingested = self._repository.is_ingested(connection, segment.stem)
        gathered = Gathering()
        damage = None
        if not is_ingested:
            damage = self._read(segment, gathered)
            self._keep(segment.stem, gathered)
        if damage is None:
            segment.unlink(missing_ok=True)
        else:
            _log.error("capture segment is damaged", segment=segment.name, read=gathered.count, reason=str(damage))
            aside = segment.parent / "damaged"
            aside.mkdir(exist_ok=True)
            segment.replace(aside / segment.name)
        return gathered.count

    def store(self, segment: str, records: Sequence[CaptureRecord]) -> None:
        """Keep records that came another way, as the segment of this name; the same name again changes nothing.

        Raises:
            UnavailableError: the object store does not answer.
        """
        gathered = Gathering()
        self._take(records, gathered)
        self._keep(segment, gathered)

    def _read(self, segment: Path, gathered: Gathering) -> CaptureDamagedError | None:
        """Gather all records up to the end, or up to where the file is damaged."""
        try:
            for pack in read_packs(segment):
                self._take(pack, gathered)
        except CaptureDamagedError as error:
            return error
        return None

    def _take(self, records: Sequence[CaptureRecord], gathered: Gathering) -> None:
        gathered.add(records)
        for observe in self._observers:
            observe(records)

    def _keep(self, segment: str, gathered: Gathering) -> None:
        if not gathered.count:
            return
        batches = [
            self._writer.write(table, segment=segment, project=place.project, endpoint=place.endpoint, day=place.date)
            for place, table in gathered.tables()
        ]
        with self._database.transaction() as connection:
            if not self._repository.is_ingested(connection, segment):
                self._repository.insert(connection, batches)
                self._repository.mark_ingested(connection, segment, self._clock.now())
