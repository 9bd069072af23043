"""The promises of Database, over SQLite and a real PostgreSQL server."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from modelyard.kit.clock import FakeClock
from modelyard.kit.files import DiskFullError
from modelyard.storage.columns import UtcDateTime
from modelyard.storage.creations import Creation, Creations, IdempotencyKeyReusedError
from modelyard.storage.database import Database
from modelyard.storage.keyset import CursorInvalidError, keyset
from modelyard.storage.metadata import common_metadata
from modelyard.storage.migrate import branch_config

metadata = MetaData()
counters = Table("counters", metadata, Column("name", String(20), primary_key=True), Column("value", Integer))
visits = Table(
    "visits", metadata, Column("id", String(10), primary_key=True), Column("at", UtcDateTime(), nullable=False)
)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_sqlite = request.param == "sqlite"
    database = Database(f"sqlite:///{tmp_path}/a.db" if is_sqlite else request.getfixturevalue("postgres_url")())
    metadata.create_all(database.engine)
    yield database
    database.close()


def test_a_transaction_is_committed_whole_or_not_at_all(any_database: Database):
    with any_database.transaction() as connection:
        connection.execute(insert(counters).values(name="kept", value=1))
    with pytest.raises(IntegrityError), any_database.transaction() as connection:
        connection.execute(insert(counters), [{"name": "lost", "value": 1}, {"name": "kept", "value": 2}])
    with any_database.read() as connection:
        assert connection.scalars(select(counters.c.name)).all() == ["kept"]


def test_a_database_that_cannot_grow_says_so_keeps_what_it_has_and_goes_on_when_there_is_room(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path}/a.db")
    metadata.create_all(database.engine)
    row = {"name": "a", "value": 1}
    with database.transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.execute(insert(counters).values(row))
    with pytest.raises(DiskFullError, match="the database"), database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE more (name TEXT)")
    with database.transaction() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        connection.exec_driver_sql("CREATE TABLE more (name TEXT)")
        assert connection.scalars(select(counters.c.name)).all() == ["a"]
    database.close()


def test_writes_inside_a_read_are_rolled_back(any_database: Database):
    with any_database.read() as connection:
        connection.execute(insert(counters).values(name="a", value=1))
    with any_database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(counters)) == 0


def test_concurrent_read_modify_writes_wait_for_each_other(any_database: Database):
    """Eight threads add one, fifty times each; none may fail with "database is locked" and none may be lost."""
    with any_database.transaction() as connection:
        connection.execute(insert(counters).values(name="a", value=0))
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(50):
                with any_database.transaction() as connection:
                    statement = select(counters.c.value).where(counters.c.name == "a").with_for_update()
                    connection.execute(update(counters).values(value=connection.scalar(statement) + 1))
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_database.read() as connection:
        assert (failures, connection.scalar(select(counters.c.value))) == ([], 400)


def test_keyset_pages_visit_every_row_once_in_order(any_database: Database):
    clock = FakeClock()
    with any_database.transaction() as connection:
        for number in range(10):
            clock.sleep(number % 2)  # pairs share a time: the id decides
            connection.execute(insert(visits).values(id=f"v{number}", at=clock.now()))
    for descending in (False, True):
        seen: list[str] = []
        after = None
        with any_database.read() as connection:
            while True:
                statement = keyset(select(visits), [visits.c.at, visits.c.id], after, 3, descending=descending)
                rows = connection.execute(statement).all()
                seen += [row.id for row in rows[:3]]
                if len(rows) <= 3:
                    break
                after = (rows[2].at.isoformat(), rows[2].id)
        assert seen == sorted(seen, reverse=descending)
        assert len(seen) == 10
    for wrong in ((), ("x",), ("yesterday", "v1"), (1, "v1"), ("2026-01-01T00:00:00+00:00", 1)):
        with pytest.raises(CursorInvalidError):
            keyset(select(visits), [visits.c.at, visits.c.id], wrong, 3)


def test_a_repeated_creation_finds_what_the_first_one_made(any_database: Database):
    common_metadata.create_all(any_database.engine)
    creations = Creations()
    first = Creation("k" * 64, "d" * 64)
    made: list[str] = []

    def create() -> None:
        with any_database.transaction() as connection:
            known = creations.replay(connection, first)
            if known is None:
                creations.record(connection, first, f"thing-{threading.get_ident()}")
                known = "made"
        made.append(known)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.count("made") == 1
    assert len(set(made)) == 2
    with any_database.transaction() as connection, pytest.raises(IdempotencyKeyReusedError):
        creations.replay(connection, Creation("k" * 64, "other"))
    with any_database.transaction() as connection:
        assert creations.replay(connection, None) is None
        creations.record(connection, None, "x")


def test_all_branches_migrate_and_a_second_time_changes_nothing(any_database: Database):
    any_database.upgrade("common", "registry", "jobs", "operations")
    any_database.upgrade("common", "registry", "jobs", "operations")
    with any_database.read() as connection:
        assert connection.dialect.has_table(connection, "alembic_version_registry")


def test_tokens_of_the_first_release_are_there_after_an_upgrade(any_database: Database):
    with any_database.transaction() as connection:
        command.upgrade(branch_config(connection, "registry"), "0001")
        connection.execute(
            text(
                "INSERT INTO tokens (id, name, secret_sha256, role, created_at) "
                "VALUES ('token-1', 'ci', 'abc', 'viewer', '2026-01-01 00:00:00+00:00')"
            )
        )
    any_database.upgrade("registry")
    with any_database.read() as connection:
        row = connection.execute(text("SELECT name, requests_per_second FROM tokens")).one()
    assert tuple(row) == ("ci", None)


def test_what_was_used_before_tariffs_came_keeps_its_part_of_the_price(any_database: Database):
    with any_database.transaction() as connection:
        command.upgrade(branch_config(connection, "common"), "0002")
        for name, is_spot in (("job-1", True), ("job-2", False)):
            connection.execute(
                text(
                    "INSERT INTO usage_records (process, kind, name, version, day, price_list, project, is_spot, "
                    "cpu_seconds, memory_gib_seconds, gpu_seconds) VALUES (:name, 'job', :name, '', '2026-01-01', 1, "
                    "'default', :is_spot, 5, 6, 7)"
                ),
                {"name": name, "is_spot": is_spot},
            )
    any_database.upgrade("common")
    columns = "name, tariff, cpu_seconds, predictions, bytes_in"
    with any_database.read() as connection:
        rows = connection.execute(text(f"SELECT {columns} FROM usage_records ORDER BY name")).all()
    assert [tuple(row) for row in rows] == [("job-1", "spot", 5, 0, 0), ("job-2", "on-demand", 5, 0, 0)]
    with any_database.transaction() as connection:
        command.downgrade(branch_config(connection, "common"), "0002")
        back = connection.execute(text("SELECT name, is_spot FROM usage_records ORDER BY name")).all()
    assert [(name, bool(is_spot)) for name, is_spot in back] == [("job-1", True), ("job-2", False)]


def test_monitors_of_an_earlier_release_keep_their_detector_and_their_reports(any_database: Database):
    report = (
        '{"id": "report-1", "monitor": "watch", "endpoint": "digits", "model_version": "digits:1", '
        '"at": "2026-01-01T00:00:00Z", "verdict": "DRIFT", "sentence": "x rose.", "rows": 100, "findings": '
        '[{"column": "x", "is_drifted": true, "effect": 0.5, "effect_unit": "share", "p_value": 0, "description": ""}]}'
    )
    with any_database.transaction() as connection:
        command.upgrade(branch_config(connection, "operations"), "0002")
        connection.execute(
            text(
                "INSERT INTO monitors (project, name, endpoint, detector, interval_seconds, minimum_rows, window_rows, "
                "alarms_per_week, is_enabled, last_report, next_run_at, created_at, updated_at, version) VALUES "
                "('default', 'watch', 'digits', 'input-drift', 60, 100, 1000, 1, true, :report, "
                "'2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00', 3)"
            ),
            {"report": report},
        )
        connection.execute(
            text(
                "INSERT INTO drift_reports (id, project, monitor, at, verdict, sentence, report) VALUES "
                "('report-1', 'default', 'watch', '2026-01-01 00:00:00+00:00', 'DRIFT', 'x rose.', :report)"
            ),
            {"report": report},
        )
    any_database.upgrade("operations")
    with any_database.read() as connection:
        columns = "detectors, cron, baseline, channels, version"
        row = connection.execute(text(f"SELECT {columns} FROM monitors")).one()
        assert tuple(row) == ('["input-drift"]', None, "training", "[]", 3)
        assert connection.execute(text("SELECT report FROM drift_reports")).scalar_one() == report
