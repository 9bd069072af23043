"""All SQL of capture batches."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Text, delete, func, insert, literal, select, tuple_, type_coerce

from modelyard.control.captures.batches import BatchFilter, CaptureBatch
from modelyard.control.captures.tables import capture_batches

_CHUNK = 100
_ORDER = (capture_batches.c.last_at, capture_batches.c.segment, capture_batches.c.day)


class CaptureRepository:
    """Rows of `capture_batches` as CaptureBatch."""

    def is_ingested(self, connection: Connection, segment: str) -> bool:
        """True if the batches of this segment are recorded."""
        statement = select(capture_batches.c.segment).where(capture_batches.c.segment == segment).limit(1)
        return connection.execute(statement).first() is not None

    def insert(self, connection: Connection, batches: Sequence[CaptureBatch]) -> None:
        """Record all batches of a segment."""
        connection.execute(insert(capture_batches), [asdict(batch) for batch in batches])

    def newest_first(self, connection: Connection, wanted: BatchFilter) -> Iterator[CaptureBatch]:
        """Batches by `last_at`, newest first, read in chunks as the caller goes on.

        Versions and variants are matched in their stored JSON text: a few batches too many may come, none too few.
        """
        after: CaptureBatch | None = None
        while True:
            rows = connection.execute(_newest(wanted, after)).mappings().all()
            for row in rows:
                after = CaptureBatch(**row)
                yield after
            if len(rows) < _CHUNK:
                return

    def newest_at(self, connection: Connection, wanted: BatchFilter) -> datetime | None:
        """Time of the newest inference in the batches, None if there are none."""
        first = next(self.newest_first(connection, wanted), None)
        return None if first is None else first.last_at

    def count_rows(self, connection: Connection, project: str, endpoint: str, since: datetime) -> int:
        """Rows of the batches that ended after `since`."""
        table = capture_batches.c
        statement = select(func.coalesce(func.sum(table.rows), 0)).where(
            table.project == project, table.endpoint == endpoint, table.last_at > since
        )
        return int(connection.execute(statement).scalar_one())

    def older_than(self, connection: Connection, moment: datetime, limit: int) -> list[CaptureBatch]:
        """Batches whose newest inference is older than `moment`, oldest first."""
        statement = select(capture_batches).where(capture_batches.c.last_at < moment)
        rows = connection.execute(statement.order_by(capture_batches.c.last_at).limit(limit)).mappings()
        return [CaptureBatch(**row) for row in rows]

    def delete(self, connection: Connection, batch: CaptureBatch) -> None:
        """Forget a batch."""
        connection.execute(
            delete(capture_batches).where(
                capture_batches.c.segment == batch.segment,
                capture_batches.c.project == batch.project,
                capture_batches.c.endpoint == batch.endpoint,
                capture_batches.c.day == batch.day,
            )
        )


def _newest(wanted: BatchFilter, after: CaptureBatch | None) -> Select[Any]:
    table = capture_batches.c
    statement = select(capture_batches).where(table.project == wanted.project, table.endpoint == wanted.endpoint)
    if wanted.since is not None:
        statement = statement.where(table.last_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(table.first_at <= wanted.until)
    if wanted.ids is not None:
        statement = statement.where(table.first_id <= wanted.ids[1], table.last_id >= wanted.ids[0])
    for column, name in ((table.versions, wanted.version), (table.variants, wanted.variant)):
        if name is not None:
            statement = statement.where(type_coerce(column, Text).contains(f'"{name}"', autoescape=True))
    if after is not None:
        position = tuple_(*(literal(getattr(after, column.name), column.type) for column in _ORDER))
        statement = statement.where(tuple_(*_ORDER) < position)
    return statement.order_by(*(column.desc() for column in _ORDER)).limit(_CHUNK)
