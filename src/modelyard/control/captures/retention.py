"""Deletes captures: by age, after each endpoint's own rule, and by whatever rule a person gives."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from modelyard.control.captures.batches import BatchFilter, CaptureBatch, check_range
from modelyard.control.captures.compaction import READING_TIME
from modelyard.control.captures.parquet import matching, read_table
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.captures.writing import BatchWriter
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore

_log = structlog.get_logger(__name__)

_LEAP = timedelta(hours=1)
_PAUSE_SECONDS = 24 * 3600.0

Rules = Callable[[], Mapping[tuple[str, str], timedelta]]
"""(project, endpoint) -> how long its captures are kept, for endpoints that say so."""


class TruthKeeper(Protocol):
    """Ground truth of captures. Implementation: feedback.service.FeedbackService."""

    def expire(self, project: str, endpoint: str, age: timedelta) -> None:
        """Delete the truth that came longer ago than this."""

    def forget(self, project: str, endpoint: str, ids: Sequence[str]) -> None:
        """Delete the truth of these inferences."""


class CaptureRetention:
    """Deletes what is old and what is told to go. One object at a time deletes by age.

    Args:
        database: of Operations.
        repository: the SQL.
        objects: holds the Parquet objects.
        truths: goes together with what it is the truth of.
        rules: of endpoints.
        keep: for endpoints without a rule, also those that are gone.
        clock: for the age.
    """

    def __init__(
        self,
        database: Database,
        repository: CaptureRepository,
        objects: ObjectStore,
        truths: TruthKeeper,
        rules: Rules,
        keep: timedelta,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._objects = objects
        self._truths = truths
        self._rules = rules
        self._keep = keep
        self._clock = clock
        self._writer = BatchWriter(objects, clock)
        self._steady = _SteadyClock(clock)

    def run_once(self) -> int:
        """Delete what is older than its endpoint's rule; returns how many inferences that were.

        A clock that leaps is not believed for a day: set ahead by mistake, it would cost everything.
        """
        if not self._steady.is_believable():
            _log.warning("nothing is deleted by age", reason="the clock has leapt")
            return 0
        with self._database.read() as connection:
            places = self._repository.places(connection)
        rules, deleted = self._rules(), 0
        for project, endpoint in places:
            age = rules.get((project, endpoint), self._keep)
            deleted += self._expire(project, endpoint, age)
            self._truths.expire(project, endpoint, age)
        return deleted

    def delete(self, wanted: BatchFilter) -> int:
        """Delete the wanted inferences and their truth; returns how many. What is still in a spool comes later.

        Raises:
            TimeRangeInvalidError: `since` is after `until`, or has no time zone.
            UnavailableError: the object store does not answer; the same call goes on where this one stopped.
        """
        check_range(wanted)
        with self._database.read() as connection:
            batches = list(self._repository.newest_first(connection, wanted))
        return sum(self._delete_from(batch, wanted) for batch in batches)

    def _expire(self, project: str, endpoint: str, age: timedelta) -> int:
        deleted = 0
        while True:
            now = self._clock.now()
            with self._database.transaction() as connection:
                batches = self._repository.older_than(connection, project, endpoint, now - age)
                if not batches:
                    return deleted
                self._repository.replace(connection, batches, None, now)
            deleted += sum(batch.inferences for batch in batches)

    def _delete_from(self, batch: CaptureBatch, wanted: BatchFilter) -> int:
        import pyarrow.compute as pc  # noqa: PLC0415 - 0.4 s that the control process must start without

        try:
            table = read_table(self._objects.read(batch.object_key))
        except ObjectNotFoundError:
            return 0
        is_gone = matching(table, wanted)
        gone, kept = table.filter(is_gone), table.filter(pc.invert(is_gone))
        if not len(gone):
            return 0
        new = None
        if len(kept):
            new = self._writer.write(
                kept,
                segment=new_id("kept"),
                project=batch.project,
                endpoint=batch.endpoint,
                day=batch.day,
                level=batch.level,
            )
        now = self._clock.now()
        with self._database.transaction() as connection:
            is_done = self._repository.replace(connection, [batch], new, now)
            if not is_done and new is not None:
                self._repository.discard(connection, new.object_key, now + READING_TIME)
        if not is_done:  # it was merged meanwhile: look for its inferences where they are now
            return self.delete(wanted)
        self._truths.forget(batch.project, batch.endpoint, gone["id"].to_pylist())
        return len(gone)


class _SteadyClock:
    """Notices when the time of day runs away from the time that passes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = clock.now(), clock.monotonic()
        self._distrusted_until = float("-inf")

    def is_believable(self) -> bool:
        """False for a day after a leap."""
        now, passed = self._clock.now(), self._clock.monotonic()
        expected = self._seen[0] + timedelta(seconds=passed - self._seen[1])
        self._seen = now, passed
        if abs(now - expected) > _LEAP:
            self._distrusted_until = passed + _PAUSE_SECONDS
        return passed >= self._distrusted_until
