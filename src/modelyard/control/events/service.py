"""Keeps events and shows them."""

from collections.abc import Callable, Mapping, Sequence

from modelyard.control.events.repository import EventRepository, sequence_of
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.kit.clock import Clock
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.endpoints import Event

Listener = Callable[[Connection, Event], None]


class EventService:
    """What happened, in order. A subject is a kind and a name: "endpoint/digits", "monitor/digits-drift".

    Args:
        database: of Operations.
        repository: the SQL.
        clock: for times.
        listener: is told of each event in the transaction that it is part of.
    """

    def __init__(
        self,
        database: Database,
        repository: EventRepository,
        clock: Clock,
        listener: Listener = lambda _connection, _event: None,
    ) -> None:
        self._database = database
        self._repository = repository
        self._clock = clock
        self._listener = listener

    def append(
        self,
        project: str,
        subject: str,
        kind: str,
        message: str,
        details: Mapping[str, str] | None = None,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Add an event.

        Args:
            project: whose it is.
            subject: what it happened to.
            kind: stable word for programs ("replica_failed").
            message: a sentence for people.
            details: more for programs.
            connection: a transaction to be part of; None: one of its own.
        """
        if connection is None:
            with self._database.transaction() as own:
                self.append(project, subject, kind, message, details, connection=own)
            return
        event = self._repository.append(
            connection,
            at=self._clock.now(),
            project=project,
            subject=subject,
            kind=kind,
            message=message,
            details=details or {},
        )
        self._listener(connection, event)

    def announce(
        self,
        project: str,
        subject: str,
        kind: str,
        message: str,
        details: Mapping[str, str],
        creation: Creation | None,
        creations: Creations,
    ) -> None:
        """Add an event that another application tells, once for each `creation`."""
        with self._database.transaction() as connection:
            if creations.replay(connection, creation) is None:
                self.append(project, subject, kind, message, details, connection=connection)
                creations.record(connection, creation, subject)

    def after(self, project: str, subject: str | None, sequence: int, limit: int) -> Sequence[Event]:
        """The events after the one of this sequence number, in order; `limit` of them at most."""
        with self._database.read() as connection:
            page = PageQuery(limit=limit - 1, after=(sequence,))  # a page reads one more than it shows
            return self._repository.list(connection, project, subject, page, is_oldest_first=True)

    def newest_sequence(self, project: str) -> int:
        """Of the newest event; 0 if there is none."""
        newest = self.list(project, None, PageQuery(limit=1)).items
        return sequence_of(newest[0]) if newest else 0

    @staticmethod
    def sequence(event_id: str) -> int:
        """The sequence number in an event's id.

        Raises:
            ValueError: it is none.
        """
        return int(event_id.removeprefix("event-"))

    def list(self, project: str, subject: str | None, page: PageQuery, *, is_oldest_first: bool = False) -> Page[Event]:
        """Events of a project, or of one subject in it."""
        with self._database.read() as connection:
            found = self._repository.list(connection, project, subject, page, is_oldest_first=is_oldest_first)
            return page.page(found, lambda event: (sequence_of(event),))
