"""The SQL of the closed loop, on SQLite and on a real PostgreSQL server."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from modelyard.control.captures.batches import MERGE_COUNT, BatchFilter, CaptureBatch
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.feedback.repository import FeedbackRepository, Truth
from modelyard.control.monitors.repository import MonitorRepository
from modelyard.control.rest.pages import PageQuery
from modelyard.control.retraining.repository import RetrainingRepository, RunState
from modelyard.control.tables import load_tables
from modelyard.storage.database import Database
from modelyard.storage.metadata import operations_metadata
from modelyard.types.monitoring import (
    ColumnFinding,
    DriftReport,
    Monitor,
    RetrainingPolicy,
    RetrainingRun,
    RetrainingStatus,
    Verdict,
)
from modelyard.types.retraining.rules import BudgetRules, DataWindow, GateRules, TriggerRules, WindowKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL = BatchFilter(project="default", endpoint="digits")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, postgres_url: Callable[[], str]) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/loop.db" if request.param == "sqlite" else postgres_url())
    load_tables()
    operations_metadata.create_all(database.engine)
    yield database
    database.close()


def batch(index: int, **changes) -> CaptureBatch:
    at = NOW + timedelta(seconds=index)
    values = {
        "segment": f"seg-{index:04d}",
        "project": "default",
        "endpoint": "digits",
        "day": "2026-01-01",
        "object_key": f"captures/{index}",
        "size_bytes": 5_000_000_000,
        "inferences": 10,
        "rows": 20,
        "versions": ("digits:1",) if index % 2 else ("digits:1", "digits:2"),
        "variants": ("main",),
        "first_id": f"inf-{index:04d}-0",
        "last_id": f"inf-{index:04d}-Z",
        "first_at": at,
        "last_at": at + timedelta(milliseconds=900),
        "created_at": at,
    }
    return CaptureBatch(**values | changes)


def test_batches_come_newest_first_in_chunks_and_by_filter(database: Database):
    repository = CaptureRepository()
    with database.transaction() as connection:
        repository.insert(connection, [batch(index) for index in range(250)])
        repository.insert(connection, [batch(250, endpoint="other")])
    with database.read() as connection:

        def found(**wanted) -> list[int]:
            batches = repository.newest_first(connection, BatchFilter(project="default", endpoint="digits", **wanted))
            return [int(item.segment[4:]) for item in batches]

        assert found() == list(range(249, -1, -1))
        assert found(version="digits:2") == list(range(248, -1, -2))
        assert found(version="digits") == []
        assert found(variant="mai_") == []
        assert found(since=NOW + timedelta(seconds=247.95)) == [249, 248]
        assert found(until=NOW + timedelta(seconds=1)) == [1, 0]
        assert found(ids=("inf-0007-5", "inf-0007-5")) == [7]
        assert found(ids=("inf-0007-a", "inf-0008-0")) == [8]  # byte order: "Z" < "a"
        assert repository.newest_at(connection, ALL) == NOW + timedelta(seconds=249.9)
        old = repository.older_than(connection, "default", "digits", NOW + timedelta(seconds=2))
        assert [item.segment for item in old] == ["seg-0000", "seg-0001"]


def test_a_batch_is_recorded_once(database: Database):
    repository = CaptureRepository()
    with database.transaction() as connection:
        repository.insert(connection, [batch(1)])
    with pytest.raises(IntegrityError), database.transaction() as connection:
        repository.insert(connection, [batch(1)])
    with database.transaction() as connection:
        assert repository.is_ingested(connection, "seg-0001")
        assert repository.replace(connection, [batch(1)], None, NOW)
        assert not repository.is_ingested(connection, "seg-0001")
        assert not repository.replace(connection, [batch(1)], batch(2), NOW)
        assert not repository.is_ingested(connection, "seg-0002")
        assert repository.garbage(connection, NOW) == ["captures/1"]
        repository.mark_ingested(connection, "seg-0001", NOW)
        assert repository.is_ingested(connection, "seg-0001")
        repository.unmark(connection, ["seg-0001"])
        assert not repository.is_ingested(connection, "seg-0001")


def test_batches_that_may_be_merged_are_grouped_by_level_and_day(database: Database):
    repository = CaptureRepository()
    small = [batch(index, size_bytes=1000) for index in range(MERGE_COUNT)]
    yesterday = [batch(index, size_bytes=1000, day="2025-12-31") for index in (100, 101, 102)]
    with database.transaction() as connection:
        repository.insert(connection, [*small, batch(50), *yesterday[:1]])
        (group,) = repository.mergeable(connection, "2026-01-01", NOW + timedelta(days=1))
        assert (group.level, group.is_over) == (0, False)
        assert repository.batches_of(connection, group, NOW + timedelta(days=1)) == small
        assert repository.mergeable(connection, "2026-01-01", NOW) == []
        repository.insert(connection, [replace(each, level=1) for each in yesterday[1:]])
        groups = repository.mergeable(connection, "2026-01-01", NOW + timedelta(days=1))
        assert sorted(group.is_over for group in groups) == [False, True]
        with pytest.raises(IntegrityError), connection.begin_nested():
            repository.replace(connection, small[:2], small[3], NOW)  # all or nothing
        assert len(repository.batches_of(connection, group, NOW + timedelta(days=1))) == MERGE_COUNT


def test_truth_is_found_in_any_number_marked_and_released(database: Database):
    repository = FeedbackRepository()
    truths = [
        Truth(
            project="default",
            endpoint="digits",
            inference_id=f"inf-{index}",
            truth=[index, "seven", 0.5, True, None],
            labels=4,
            conflicts=0,
            created_at=NOW,
            updated_at=NOW,
        )
        for index in range(900)
    ]
    ids = [truth.inference_id for truth in truths]
    with database.transaction() as connection:
        repository.insert(connection, truths)
        assert dict(repository.get(connection, "default", "digits", ids)) == {t.inference_id: t for t in truths}
        assert repository.count_new(connection, "default", "digits", None) == 3600
        assert repository.count_new(connection, "default", "digits", NOW) == 0
        repository.mark(connection, "default", "digits", ids[:500], "run-1")
        assert repository.count_new(connection, "default", "digits", None) == 1600
        assert len(repository.new_ids(connection, "default", "digits", "run-2")) == 400
        assert repository.new_ids(connection, "default", "digits", "run-1") == sorted(ids)
        repository.release(connection, "run-1")
        assert len(repository.new_ids(connection, "default", "digits", "run-2")) == 900


def monitor() -> Monitor:
    return Monitor(
        project="default",
        name="watch",
        endpoint="digits",
        detectors=("drift",),
        interval_seconds=60,
        minimum_rows=100,
        window_rows=1000,
        alarms_per_week=1,
        is_enabled=True,
        last_report=None,
        created_at=NOW,
        updated_at=NOW,
        version=1,
    )


def test_reports_are_kept_in_order_pruned_and_deleted_with_their_monitor(database: Database):
    repository = MonitorRepository()
    finding = ColumnFinding(
        column="x", is_drifted=True, effect=0.5, effect_unit="share of rows moved", p_value=1e-300, description="x rose"
    )
    with database.transaction() as connection:
        repository.insert(connection, monitor(), NOW)
        for index in range(5):
            report = DriftReport(
                id=f"report-{index}",
                monitor="watch",
                endpoint="digits",
                model_version="digits:1",
                at=NOW + timedelta(seconds=index),
                verdict=Verdict.DRIFT,
                sentence="x rose.",
                rows=100,
                findings=(finding,),
            )
            repository.add_report(connection, "default", report, keep=3)
        kept = repository.reports(connection, "default", "watch", PageQuery(limit=2))
        assert [item.id for item in kept] == ["report-4", "report-3", "report-2"]
        assert kept[0] == report
        assert repository.get(connection, "default", "watch").last_report == report
        assert repository.due(connection, NOW - timedelta(seconds=1)) == []
        ((due, slot),) = repository.due(connection, NOW)
        assert (due.name, slot) == ("watch", NOW)
        repository.delete(connection, "default", "watch")
        assert repository.report(connection, "report-4") is None


def run(number: int) -> RetrainingRun:
    return RetrainingRun(
        id=f"run-{number}",
        project="default",
        policy="again",
        endpoint="digits",
        status=RetrainingStatus.COLLECTING,
        cause="By hand.",
        reason="",
        old_version="digits:1",
        started_at=NOW + timedelta(seconds=number),
    )


def test_the_database_itself_allows_one_active_run_per_endpoint(database: Database):
    repository = RetrainingRepository()
    with database.transaction() as connection:
        assert repository.insert_run(connection, run(1))
        assert not repository.insert_run(connection, run(2))
    with database.transaction() as connection:
        ended = RetrainingRun(
            **{f: getattr(run(1), f) for f in run(1).__dataclass_fields__}
            | {"status": RetrainingStatus.REJECTED, "figures": {"gain_new": 0.25}, "ended_at": NOW}
        )
        repository.update_run(connection, RunState(run=ended, progress={"base": "digits:1"}))
        repository.insert_run(connection, run(2))
        assert repository.run(connection, "run-1") == RunState(run=ended, progress={"base": "digits:1"})
        assert [item.id for item in repository.active(connection)] == ["run-2"]
        assert [item.id for item in repository.runs(connection, "default", "again", PageQuery())] == ["run-2", "run-1"]
        assert repository.newest_of_endpoint(connection, "default", "digits", 1)[0].run.id == "run-2"


def test_a_policy_reads_back_as_it_was_written_with_all_its_rules(database: Database):
    repository = RetrainingRepository()
    policy = RetrainingPolicy(
        project="default",
        name="again",
        endpoint="digits",
        monitor=None,
        minimum_new_labels=200,
        minimum_gain=0.01,
        maximum_loss=0.02,
        cooldown_seconds=60.0,
        gate=GateRules(significance_level=0.01),
        triggers=TriggerRules(schedule="0 3 * * 1", maximum_decay=0.05),
        budget=BudgetRules(runs_per_week=3),
        window=DataWindow(kind=WindowKind.SINCE, since=NOW),
        is_enabled=True,
        created_at=NOW,
        updated_at=NOW,
        version=1,
    )
    with database.transaction() as connection:
        repository.insert_policy(connection, policy)
        changed = replace(policy, window=DataWindow(kind=WindowKind.NEWEST, rows=500), version=2)
        repository.update_policy(connection, changed)
        assert repository.policy(connection, "default", "again") == changed
        assert repository.enabled(connection) == [changed]
