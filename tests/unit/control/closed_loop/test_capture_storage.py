"""Captures over time: merged by day, deleted by rule, and whole after every bad day."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import event, text

from modelyard.control.captures.batches import MERGED_DAY, BatchFilter
from modelyard.control.captures.compaction import READING_TIME, Compaction
from modelyard.control.captures.ingest import CaptureIngest
from modelyard.control.captures.retention import CaptureRetention
from modelyard.control.feedback.service import NewTruth
from modelyard.control.rest.pages import PageQuery
from modelyard.dataplane.captures import closed_segments
from modelyard.errors import UnavailableError
from modelyard.kit.clock import FakeClock
from modelyard.storage.database import Database

ALL = BatchFilter(project="default", endpoint="points")
MINUTES_5 = 300.0


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class LeapingClock(FakeClock):
    """A clock whose time of day may be set while its other time goes on."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.offset = timedelta()

    def now(self) -> datetime:
        return super().now() + self.offset


def ids(world, wanted=ALL) -> list[str]:
    return [item.id for item in world.captures.list(wanted, PageQuery(limit=1000)).items]


def objects(world) -> list[str]:
    return sorted(info.key for info in world.objects.list("captures"))


def levels(world) -> list[int]:
    with world.database.read() as connection:
        return sorted(connection.execute(text("SELECT level FROM capture_batches")).scalars())


def test_small_objects_are_merged_and_nothing_is_missing_or_double(world):
    sent = [record.id for _ in range(20) for record in world.traffic(3)]
    assert world.compaction.run_once() == 0  # they have just been written
    world.clock.sleep(MINUTES_5)
    assert world.compaction.run_once() == 19
    assert ids(world) == sent[::-1]
    assert levels(world) == [1]
    assert len(objects(world)) == 21  # the parts stay for whoever reads them
    world.clock.sleep(READING_TIME.total_seconds())
    world.compaction.run_once()
    assert len(objects(world)) == 1
    assert ids(world) == sent[::-1]


def test_a_day_that_is_over_becomes_one_object(world):
    sent = [record.id for _ in range(3) for record in world.traffic(2)]
    world.clock.sleep(86400)
    assert world.compaction.run_once() == 2
    assert levels(world) == [MERGED_DAY]
    late = world.traffic(1)
    assert ids(world) == [late[0].id, *sent[::-1]]


def test_a_window_over_merged_objects_is_the_newest_rows(world):
    sent = [record.id for _ in range(20) for record in world.traffic(5, rows=2)]
    world.clock.sleep(MINUTES_5)
    world.compaction.run_once()
    window = [item.id for part in world.captures.newest(ALL, rows=30) for item in part]
    assert window == sent[::-1][:15]


@pytest.mark.parametrize("line", ["put_file", "replace"])
def test_killed_at_any_line_of_a_merge_nothing_is_missing_or_double(world, monkeypatch, line):
    sent = [record.id for _ in range(20) for record in world.traffic(1)]
    world.clock.sleep(MINUTES_5)
    owner = world.objects if line == "put_file" else world.capture_repository
    for is_done in (False, True):
        with monkeypatch.context() as patch:
            original = getattr(owner, line)

            def kill(*arguments, work=original, goes_on=is_done):
                if goes_on:
                    work(*arguments)
                raise Killed

            patch.setattr(owner, line, kill)
            with pytest.raises(Killed):
                world.compaction.run_once()
        assert ids(world) == sent[::-1]
    assert world.compaction.run_once() == 19
    assert ids(world) == sent[::-1]


def test_of_two_that_merge_the_same_one_wins(world, monkeypatch):
    sent = [record.id for _ in range(20) for record in world.traffic(1)]
    world.clock.sleep(MINUTES_5)
    other = Compaction(world.database, world.capture_repository, world.objects, world.clock)
    original = world.objects.put_file
    with monkeypatch.context() as patch:

        def overtaken(key, path):
            original(key, path)
            patch.undo()
            assert other.run_once() == 19

        patch.setattr(world.objects, "put_file", overtaken)
        assert world.compaction.run_once() == 0
    world.clock.sleep(READING_TIME.total_seconds())
    world.compaction.run_once()
    assert len(objects(world)) == 1
    assert ids(world) == sent[::-1]


def test_each_endpoint_keeps_its_captures_as_long_as_its_rule_says(world):
    world.traffic(2)
    others = world.traffic(2, endpoint="others")
    world.feedback.record("default", "points", [NewTruth("inf-000001", [1])])
    world.rules["default", "points"] = timedelta(days=1)
    world.clock.sleep(86400 * 2)
    kept = world.traffic(1)
    assert world.retention.run_once() == 2
    assert world.retention.run_once() == 0
    assert ids(world) == [kept[0].id]
    assert ids(world, BatchFilter(project="default", endpoint="others")) == [r.id for r in reversed(others)]
    assert world.feedback.truths("default", "points", ["inf-000001"]) == {}
    world.compaction.run_once()
    assert len(objects(world)) == 2


def test_what_is_told_to_go_goes_with_its_truth_and_the_rest_stays(world):
    records = world.traffic(6)
    world.label(records)
    until = world.captures.get("default", "points", records[3].id).at
    wanted = BatchFilter(project="default", endpoint="points", until=until, since=until - timedelta(seconds=1))
    assert world.retention.delete(wanted) == 2
    assert world.retention.delete(wanted) == 0
    assert ids(world) == [records[i].id for i in (5, 4, 1, 0)]
    truths = world.feedback.truths("default", "points", [record.id for record in records])
    assert sorted(truths) == [records[i].id for i in (0, 1, 4, 5)]
    assert world.retention.delete(BatchFilter(project="default", endpoint="points", principal="nobody")) == 0
    assert world.retention.delete(BatchFilter(project="default", endpoint="points", principal="token-1")) == 4
    world.compaction.run_once()
    assert objects(world) == []


def test_a_clock_that_leaps_ahead_costs_nothing(world):
    clock = LeapingClock(world.clock.now())
    retention = CaptureRetention(
        world.database, world.capture_repository, world.objects, world.feedback, dict, timedelta(days=90), clock
    )
    sent = world.traffic(3)
    clock.offset = timedelta(days=4000)
    assert retention.run_once() == 0
    clock.offset = timedelta()
    assert retention.run_once() == 0
    clock.sleep(86400 * 2)
    assert retention.run_once() == 0
    assert ids(world) == [record.id for record in reversed(sent)]
    clock.sleep(86400 * 90)
    assert retention.run_once() == 3


def test_inferences_of_a_clock_that_was_set_back_are_kept(world):
    records = world.records(2)
    world.write([replace(record, at_ns=10**9) for record in records])  # 1970
    world.ingest.run_once()
    assert world.retention.run_once() == 0
    assert len(ids(world)) == 2


def test_an_hour_without_the_object_store_loses_nothing(world, monkeypatch):
    sent = []

    def refuse(key, path):
        raise UnavailableError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.objects, "put_file", refuse)
        for _ in range(12):
            records = world.records(2)
            world.write(records)
            sent += [record.id for record in records]
            world.label(records)  # labels come before their captures
            world.clock.sleep(MINUTES_5)
            with pytest.raises(UnavailableError):
                world.ingest.run_once()
            world.settling.run_once()
        assert len(closed_segments(world.spool)) == 12
        assert world.feedback.summary("default", "points", timedelta(days=1)).pending == 24
    assert world.ingest.run_once() == 24
    assert ids(world) == sent[::-1]
    assert world.settling.run_once() == 24
    assert world.feedback.summary("default", "points", timedelta(days=1)).matched == 24


def test_a_locked_database_loses_nothing(world):
    sent = world.records(2)
    world.write(sent)
    with world.database.engine.connect() as locker:
        locker.exec_driver_sql("ROLLBACK")
        locker.exec_driver_sql("BEGIN IMMEDIATE")
        impatient = _impatient(world)
        with pytest.raises(Exception, match="database is locked"):
            impatient.run_once()
        locker.exec_driver_sql("ROLLBACK")
    assert world.ingest.run_once() == 2
    assert ids(world) == [record.id for record in reversed(sent)]


def test_captures_of_an_endpoint_that_was_deleted_meanwhile_arrive(world):
    sent = world.records(3)
    world.write(sent)
    del world.endpoints.known["points"]
    assert world.ingest.run_once() == 3
    assert ids(world) == [record.id for record in reversed(sent)]


def test_a_segment_that_was_merged_before_its_file_was_deleted_is_not_taken_twice(world):
    for _ in range(16):
        world.traffic(1)
    records = world.records(1)
    world.write(records)
    (segment,) = closed_segments(world.spool)
    content = segment.read_bytes()
    world.ingest.ingest(segment)  # killed after this line: the mark is still there
    world.clock.sleep(MINUTES_5)
    world.compaction.run_once()
    segment.write_bytes(content)
    assert world.ingest.run_once() == 0
    assert len(ids(world)) == 17


def _impatient(world) -> CaptureIngest:
    """An ingest whose database waits for nobody."""
    database = Database(str(world.database.engine.url))
    event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 0"))
    return CaptureIngest(database, world.capture_repository, world.objects, world.spool, world.clock)
