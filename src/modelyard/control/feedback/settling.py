"""Finds the captured inference of each truth, whichever came first, and says which truth has none."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from modelyard.control.captures.service import CaptureService
from modelyard.control.events.service import EventService
from modelyard.control.feedback.repository import FeedbackRepository
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database

_OVERLAP = timedelta(minutes=1)
_FIRST_LOOK_BACK = timedelta(hours=1)
_SAID_AGAIN_AFTER = timedelta(hours=1)


class Settling:
    """Runs as a duty; one object at a time.

    New truth is looked for once in all captures of its id's range, after that only in captures that have come since.

    Args:
        database: of Operations.
        repository: the SQL.
        captures: where the inferences are.
        events: told when truth turns out to be about nothing.
        pending: how long truth waits for its capture.
        clock: for that.
    """

    def __init__(
        self,
        database: Database,
        repository: FeedbackRepository,
        captures: CaptureService,
        events: EventService,
        pending: timedelta,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._captures = captures
        self._events = events
        self._pending = pending
        self._clock = clock
        self._looked_at = clock.now() - _FIRST_LOOK_BACK
        self._said: dict[tuple[str, str], datetime] = {}

    def run_once(self) -> int:
        """Look for what is not found yet; returns how much was.

        Raises:
            UnavailableError: the object store does not answer; nothing is given up meanwhile.
        """
        now, since = self._clock.now(), self._looked_at - _OVERLAP
        with self._database.read() as connection:
            places = self._repository.unsettled_places(connection)
        found = 0
        for project, endpoint in places:
            found += self._look_in_new(project, endpoint, since)
            found += self._look_for_fresh(project, endpoint)
        self._looked_at = now
        self._give_up(now)
        return found

    def _look_for_fresh(self, project: str, endpoint: str) -> int:
        found = 0
        while True:
            with self._database.read() as connection:
                fresh = self._repository.unmatched(connection, project, endpoint, is_fresh=True)
            if not fresh:
                return found
            found += self._settle(project, endpoint, fresh, self._captures.times_of(project, endpoint, [*fresh]))

    def _look_in_new(self, project: str, endpoint: str, since: datetime) -> int:
        ids = self._captures.ids_since(project, endpoint, since)
        if ids is None:
            return 0
        with self._database.read() as connection:
            waiting = self._repository.unmatched(connection, project, endpoint, is_fresh=False, ids=ids)
        times = self._captures.times_of(project, endpoint, [*waiting], recorded_since=since)
        found = {name: waiting[name] for name in times}
        return self._settle(project, endpoint, found, times)

    def _settle(
        self, project: str, endpoint: str, truths: Mapping[str, datetime], times: Mapping[str, datetime]
    ) -> int:
        delays = {
            name: max(0.0, (came_at - times[name]).total_seconds()) if name in times else None
            for name, came_at in truths.items()
        }
        with self._database.transaction() as connection:
            self._repository.settle(connection, project, endpoint, delays)
        return len(times)

    def _give_up(self, now: datetime) -> None:
        with self._database.transaction() as connection:
            given_up = self._repository.give_up(connection, now - self._pending)
        for place, count in given_up.items():
            if place not in self._said or now - self._said[place] >= _SAID_AGAIN_AFTER:
                self._said[place] = now
                project, endpoint = place
                what = f"Ground truth of {count} inferences is about nothing that endpoint '{endpoint}' captured"
                self._events.append(project, f"endpoint/{endpoint}", "feedback_unknown", what)
