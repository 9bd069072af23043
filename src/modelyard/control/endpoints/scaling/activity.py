"""When endpoints were asked last, also before this process began: written down every few seconds."""

from collections.abc import Iterable
from datetime import UTC, datetime

from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.planning import VariantDemand

_WRITE_SECONDS = 10.0


class Activity:
    """For one thread."""

    def __init__(self, database: Database, repository: EndpointRepository, clock: Clock) -> None:
        self._database = database
        self._repository = repository
        self._clock = clock
        self._known: dict[tuple[str, str], datetime] = {}
        self._changed: set[tuple[str, str]] = set()
        self._due_at = float("-inf")

    def note(self, variants: Iterable[VariantDemand]) -> None:
        """What the gateways saw."""
        for each in variants:
            if each.last_request_at is None:
                continue
            key, at = (each.project, each.endpoint), datetime.fromtimestamp(each.last_request_at, UTC)
            if key not in self._known or at > self._known[key]:
                self._known[key] = at
                self._changed.add(key)

    def settle(self) -> None:
        """Every few seconds: write down what is new, and read what others wrote."""
        if self._clock.monotonic() < self._due_at:
            return
        self._due_at = self._clock.monotonic() + _WRITE_SECONDS
        if self._changed:
            with self._database.transaction() as connection:
                for project, name in sorted(self._changed):
                    self._repository.note_activity(connection, project, name, self._known[project, name])
            self._changed.clear()
        with self._database.read() as connection:
            self._known = self._repository.activity(connection)

    def last_request_at(self, project: str, name: str) -> datetime | None:
        """None: nobody has ever asked it, as far as is known."""
        return self._known.get((project, name))
