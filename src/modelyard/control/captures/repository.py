"""All SQL of capture batches, of segments that became such, and of objects that are left over."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Text, and_, delete, func, insert, literal, select, tuple_, type_coerce

from modelyard.control.captures.batches import (
    MERGE_COUNT,
    MERGED_DAY,
    TARGET_BYTES,
    BatchFilter,
    CaptureBatch,
    MergeGroup,
)
from modelyard.control.captures.tables import capture_batches, capture_garbage, ingested_segments

_CHUNK = 100
_MERGE_LIMIT = 500
_ORDER = (capture_batches.c.last_at, capture_batches.c.segment, capture_batches.c.day)


class CaptureRepository:
    """Rows of `capture_batches` as CaptureBatch."""

    def is_ingested(self, connection: Connection, segment: str) -> bool:
        """True if the batches of this segment are recorded, or were and have been merged or deleted since."""
        marked = select(ingested_segments.c.segment).where(ingested_segments.c.segment == segment)
        recorded = select(capture_batches.c.segment).where(capture_batches.c.segment == segment)
        return connection.execute(marked.union(recorded).limit(1)).first() is not None

    def insert(self, connection: Connection, batches: Sequence[CaptureBatch]) -> None:
        """Record batches."""
        connection.execute(insert(capture_batches), [asdict(batch) for batch in batches])

    def mark_ingested(self, connection: Connection, segment: str, at: datetime) -> None:
        """Note that a segment has become batches, whatever becomes of those."""
        connection.execute(insert(ingested_segments).values(segment=segment, ingested_at=at))

    def unmark(self, connection: Connection, segments: Sequence[str]) -> None:
        """Forget segments whose files are gone."""
        for start in range(0, len(segments), _CHUNK):
            chosen = ingested_segments.c.segment.in_(segments[start : start + _CHUNK])
            connection.execute(delete(ingested_segments).where(chosen))

    def mergeable(self, connection: Connection, today: str, created_before: datetime) -> list[MergeGroup]:
        """Where small batches have gathered: on one level of a day, or on all levels of a day that is over."""
        table = capture_batches.c
        place = (table.project, table.endpoint, table.day)
        is_small = and_(table.size_bytes < TARGET_BYTES, table.created_at < created_before, table.level < MERGED_DAY)
        living = select(*place, table.level).where(is_small, table.day >= today).group_by(*place, table.level)
        over = select(*place, literal(MERGED_DAY)).where(is_small, table.day < today).group_by(*place)
        statement = living.having(func.count() >= MERGE_COUNT).union_all(over.having(func.count() > 1)).limit(_CHUNK)
        return [MergeGroup(*row) for row in connection.execute(statement)]

    def batches_of(self, connection: Connection, group: MergeGroup, created_before: datetime) -> list[CaptureBatch]:
        """The small batches of a group, oldest first."""
        table = capture_batches.c
        statement = select(capture_batches).where(
            table.project == group.project,
            table.endpoint == group.endpoint,
            table.day == group.day,
            table.created_at < created_before,
            table.size_bytes < TARGET_BYTES,
            table.level < MERGED_DAY if group.is_over else table.level == group.level,
        )
        rows = connection.execute(statement.order_by(table.first_at, table.segment).limit(_MERGE_LIMIT)).mappings()
        return [CaptureBatch(**row) for row in rows]

    def replace(
        self, connection: Connection, old: Sequence[CaptureBatch], new: CaptureBatch | None, delete_after: datetime
    ) -> bool:
        """Put one batch, or none, in the place of others, whose objects become garbage.

        False if one of `old` is gone already: then nothing has changed.
        """
        with connection.begin_nested() as attempt:
            if not all(self._delete(connection, batch) for batch in old):
                attempt.rollback()
                return False
            if new is not None:
                self.insert(connection, [new])
        self._discard(connection, {batch.object_key for batch in old}, delete_after)
        return True

    def discard(self, connection: Connection, object_key: str, delete_after: datetime) -> None:
        """An object that no batch came to name is garbage; no effect if one does name it."""
        named = select(capture_batches.c.segment).where(capture_batches.c.object_key == object_key).limit(1)
        if connection.execute(named).first() is None:
            self._discard(connection, {object_key}, delete_after)

    def garbage(self, connection: Connection, now: datetime) -> list[str]:
        """Keys of objects that may be deleted now."""
        due = select(capture_garbage.c.object_key).where(capture_garbage.c.delete_after <= now)
        return list(connection.execute(due.limit(_MERGE_LIMIT)).scalars())

    def forget_garbage(self, connection: Connection, object_key: str) -> None:
        """An object is deleted."""
        connection.execute(delete(capture_garbage).where(capture_garbage.c.object_key == object_key))

    def places(self, connection: Connection) -> list[tuple[str, str]]:
        """(project, endpoint) of everything that is captured, also of endpoints that are gone."""
        statement = select(capture_batches.c.project, capture_batches.c.endpoint).distinct()
        return [(project, endpoint) for project, endpoint in connection.execute(statement)]

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

    def ids_since(
        self, connection: Connection, project: str, endpoint: str, moment: datetime
    ) -> tuple[str, str] | None:
        """The smallest and largest id in batches that were written since then."""
        table = capture_batches.c
        statement = select(func.min(table.first_id), func.max(table.last_id)).where(
            table.project == project, table.endpoint == endpoint, table.created_at >= moment
        )
        first, last = connection.execute(statement).one()
        return None if first is None else (first, last)

    def count_rows(self, connection: Connection, project: str, endpoint: str, since: datetime) -> int:
        """Rows of the batches that ended after `since`."""
        table = capture_batches.c
        statement = select(func.coalesce(func.sum(table.rows), 0)).where(
            table.project == project, table.endpoint == endpoint, table.last_at > since
        )
        return int(connection.execute(statement).scalar_one())

    def older_than(self, connection: Connection, project: str, endpoint: str, moment: datetime) -> list[CaptureBatch]:
        """Some batches that are older than `moment`, oldest first: their inferences and they themselves.

        Both, because a clock that was set back for a while gives new inferences an old time.
        """
        table = capture_batches.c
        statement = select(capture_batches).where(
            table.project == project, table.endpoint == endpoint, table.last_at < moment, table.created_at < moment
        )
        rows = connection.execute(statement.order_by(table.last_at).limit(_MERGE_LIMIT)).mappings()
        return [CaptureBatch(**row) for row in rows]

    def stored(self, connection: Connection) -> dict[tuple[str, str], int]:
        """(project, endpoint) -> bytes of its captures."""
        of, size = (capture_batches.c.project, capture_batches.c.endpoint), func.sum(capture_batches.c.size_bytes)
        rows = connection.execute(select(*of, size).group_by(*of))
        return {(project, endpoint): int(total) for project, endpoint, total in rows}

    @staticmethod
    def _delete(connection: Connection, batch: CaptureBatch) -> bool:
        statement = delete(capture_batches).where(
            capture_batches.c.segment == batch.segment,
            capture_batches.c.project == batch.project,
            capture_batches.c.endpoint == batch.endpoint,
            capture_batches.c.day == batch.day,
        )
        return connection.execute(statement).rowcount == 1

    @staticmethod
    def _discard(connection: Connection, keys: set[str], delete_after: datetime) -> None:
        rows = [{"object_key": key, "delete_after": delete_after} for key in sorted(keys)]
        connection.execute(delete(capture_garbage).where(capture_garbage.c.object_key.in_(keys)))
        connection.execute(insert(capture_garbage), rows)


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
