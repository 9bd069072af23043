"""All SQL of events."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Row, insert, select

from modelyard.control.events.tables import events
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.endpoints import Event


class EventRepository:
    """Rows of `events` as Event; an id is its sequence number with leading zeros, so ids sort as they happened."""

    def append(
        self,
        connection: Connection,
        *,
        at: datetime,
        project: str,
        subject: str,
        kind: str,
        message: str,
        details: Mapping[str, str],
    ) -> Event:
        """Add an event."""
        made = connection.execute(
            insert(events).values(
                at=at, project=project, subject=subject, kind=kind, message=message, details=dict(details)
            )
        )
        (sequence,) = made.inserted_primary_key or (0,)
        return Event(
            id=_id(sequence), at=at, project=project, subject=subject, kind=kind, message=message, details=dict(details)
        )

    def list(
        self, connection: Connection, project: str, subject: str | None, page: PageQuery, *, is_oldest_first: bool
    ) -> list[Event]:
        """Events of a project, or of one subject in it."""
        statement = select(events).where(events.c.project == project)
        if subject is not None:
            statement = statement.where(events.c.subject == subject)
        statement = keyset(statement, [events.c.sequence], page.after, page.limit, descending=not is_oldest_first)
        return [_event(row) for row in connection.execute(statement)]


def sequence_of(event: Event) -> int:
    """The sort key of an event."""
    return int(event.id.removeprefix("event-"))


def _id(sequence: int) -> str:
    return f"event-{sequence:012d}"


def _event(row: Row[tuple[object, ...]]) -> Event:
    return Event(
        id=_id(row.sequence),
        at=row.at,
        project=row.project,
        subject=row.subject,
        kind=row.kind,
        message=row.message,
        details=row.details,
    )
