"""Column types keep times and values as they were."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select
from sqlalchemy.exc import StatementError

from modelyard.storage.columns import DataclassJson, StringTuple, UtcDateTime
from modelyard.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: float
    names: tuple[str, ...] = ()


metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", String(10), primary_key=True),
    Column("at", UtcDateTime()),
    Column("points", DataclassJson(tuple[Point, ...])),
    Column("tags", StringTuple()),
)


def test_values_come_back_equal_and_times_in_utc(database: Database):
    metadata.create_all(database.engine)
    at = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    points = (Point(x=1.5, names=("a", "ü")), Point(x=-1.0))
    with database.transaction() as connection:
        connection.execute(insert(things).values(id="a", at=at, points=points, tags=("x", "y")))
        connection.execute(insert(things).values(id="b"))
    with database.read() as connection:
        row, empty = connection.execute(select(things).order_by(things.c.id)).all()
    assert (row.at, row.at.tzinfo, row.points, row.tags) == (at, UTC, points, ("x", "y"))
    assert (empty.at, empty.points, empty.tags) == (None, None, None)


def test_a_time_without_zone_is_refused(database: Database):
    metadata.create_all(database.engine)
    naive = datetime(2026, 5, 1)  # noqa: DTZ001
    with pytest.raises(StatementError, match="no time zone"), database.transaction() as connection:
        connection.execute(insert(things).values(id="a", at=naive))
