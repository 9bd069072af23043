"""Many small objects become few large ones, day by day, without a moment in which an inference is missing or double.

The merged object is written first; one transaction then puts its row in the place of the others and notes their
objects as garbage, which is deleted a while later. Killed at any line, the next round goes on.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from modelyard.control.captures.batches import TARGET_BYTES, CaptureBatch, MergeGroup
from modelyard.control.captures.parquet import merged, read_table
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.captures.writing import BatchWriter
from modelyard.kit.clock import Clock
from modelyard.kit.ids import derived_id
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore

READING_TIME = timedelta(minutes=15)
"""So long after a merge its parts can still be read by who has begun to."""

_SETTLED = timedelta(minutes=1)


class Compaction:
    """Merges batches. Several may run at once: one of them wins, the others change nothing.

    Args:
        database: of Operations.
        repository: the SQL.
        objects: holds the Parquet objects.
        clock: for the day that is over, and for times.
    """

    def __init__(self, database: Database, repository: CaptureRepository, objects: ObjectStore, clock: Clock) -> None:
        self._database = database
        self._repository = repository
        self._objects = objects
        self._writer = BatchWriter(objects, clock)
        self._clock = clock

    def run_once(self) -> int:
        """Merge what has gathered, delete what is left over; returns how many objects that saved.

        Raises:
            UnavailableError: the object store does not answer; nothing is lost by that.
        """
        now = self._clock.now()
        saved = 0
        with self._database.read() as connection:
            groups = self._repository.mergeable(connection, now.date().isoformat(), now - _SETTLED)
        for group in groups:
            with self._database.read() as connection:
                batches = self._repository.batches_of(connection, group, now - _SETTLED)
            saved += sum(self._merge(group, part) for part in _portions(batches))
        self._delete_garbage()
        return saved

    def _merge(self, group: MergeGroup, batches: Sequence[CaptureBatch]) -> int:
        try:
            table = merged([read_table(self._objects.read(batch.object_key)) for batch in batches])
        except ObjectNotFoundError:  # somebody else merged or deleted one of them long ago
            return 0
        segment = derived_id("merged", *(batch.segment for batch in batches))
        level = group.level if group.is_over else group.level + 1
        new = self._writer.write(
            table, segment=segment, project=group.project, endpoint=group.endpoint, day=group.day, level=level
        )
        delete_after = self._clock.now() + READING_TIME
        with self._database.transaction() as connection:
            is_done = self._repository.replace(connection, batches, new, delete_after)
            if not is_done:
                self._repository.discard(connection, new.object_key, delete_after)
        return len(batches) - 1 if is_done else 0

    def _delete_garbage(self) -> None:
        with self._database.read() as connection:
            keys = self._repository.garbage(connection, self._clock.now())
        for key in keys:
            self._objects.delete(key)
            with self._database.transaction() as connection:
                self._repository.forget_garbage(connection, key)


def _portions(batches: Sequence[CaptureBatch]) -> Iterator[Sequence[CaptureBatch]]:
    """Runs of batches, two or more, that together have about the target's size."""
    portion: list[CaptureBatch] = []
    for batch in batches:
        if portion and sum(each.size_bytes for each in portion) + batch.size_bytes > TARGET_BYTES:
            if len(portion) > 1:
                yield portion
            portion = []
        portion.append(batch)
    if len(portion) > 1:
        yield portion
