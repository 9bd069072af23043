"""From the schema of the first release, with a state that it really had, to the present one, and back.

`states/first-schema.tar` is the database of a quickstart at that schema, as `modelyard export` writes it.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, text

from modelyard.control.endpoints.tables import endpoints
from modelyard.control.jobs.tables import jobs
from modelyard.control.monitors.tables import monitors
from modelyard.control.tables import load_tables
from modelyard.settings import Home
from modelyard.storage.archive import layout, reading, rows, schema
from modelyard.storage.archive.layout import StateTooNewError
from modelyard.storage.archive.loading import Target, load_archive
from modelyard.storage.archive.safekeeping import KEPT, upgrade_safely
from modelyard.storage.archive.writing import Source, write_archive
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.storage.migrate import branch_config, head_of, upgrade_branch
from modelyard.storage.objects import open_objects
from modelyard.types.endpoints import EndpointStatus
from modelyard.types.jobs import JobStatus

FIRST = Path(__file__).parent / "states" / "first-schema.tar"
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    load_tables()
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_url: Callable[[], str]
) -> Iterator[Callable[[], Database]]:
    made: list[Database] = []

    def make() -> Database:
        url = f"sqlite:///{tmp_path}/state-{len(made)}.db" if request.param == "sqlite" else postgres_url()
        made.append(Database(url))
        return made[-1]

    yield make
    for database in made:
        database.close()


def first_release(database: Database) -> Database:
    """With the tables and rows of that time."""
    header = reading.read_header(FIRST)
    with database.migration() as connection, reading.members(FIRST) as members:
        for branch, revision in header.revisions.items():
            upgrade_branch(connection, branch, revision)
        names = schema.tables_at(header.revisions)
        tables = {f"{branch}/{table.name}": table for branch, table in schema.reflect(connection, names)}
        for member in members:
            if member.name.startswith(layout.TABLES):
                name = member.name.removeprefix(layout.TABLES).removesuffix(".jsonl")
                rows.load_rows(connection, tables[name], member.content)
    return database


def upgraded(database: Database, home: Home, now: datetime = NOW) -> Path | None:
    return upgrade_safely(database, tuple(BRANCHES), home, "0.2.0", now)


def totals(database: Database, home: Home, path: Path) -> dict[str, layout.TableTotal]:
    with database.read() as connection:
        source = Source(connection=connection, objects=None, home=home, release="0.2.0", now=NOW)
        return write_archive(path, source).tables


def test_a_state_of_the_first_release_is_all_there_and_reads_as_today(new_database: Callable[[], Database], home: Home):
    database = first_release(new_database())
    upgraded(database, home)
    before = reading.check_archive(FIRST).tables
    with database.read() as connection:
        for branch, metadata in BRANCHES.items():
            for table in metadata.sorted_tables:
                found = connection.execute(select(table)).all()  # every value is decoded into today's types
                assert len(found) == (before[name].rows if (name := f"{branch}/{table.name}") in before else 0), table
            version = connection.execute(text(f"SELECT version_num FROM alembic_version_{branch}")).scalar_one()
            assert version == head_of(connection, branch)
        endpoint = connection.execute(select(endpoints)).one()
        assert (endpoint.name, endpoint.status, endpoint.deployed) == ("digits", EndpointStatus.READY, ("digits:2",))
        made = connection.execute(select(jobs.c.record)).scalars().all()
        assert {job.status for job in made} == {JobStatus.COMPLETED}
        assert {job.result.get("model_version") for job in made} >= {"digits:1", "digits:2"}
        assert connection.execute(select(monitors.c.detectors)).scalar_one() == ("drift",)


def test_the_copy_from_before_the_upgrade_is_the_way_back(
    new_database: Callable[[], Database], home: Home, tmp_path: Path
):
    database = first_release(new_database())
    copy = upgraded(database, home)
    assert copy is not None
    assert copy.stat().st_mode & 0o777 == 0o600
    first = reading.check_archive(FIRST).tables
    if copy.suffix == ".db":
        shutil.copyfile(copy, tmp_path / "back.db")
        back = Database(f"sqlite:///{tmp_path}/back.db")
        assert totals(back, home, tmp_path / "back.tar") == first
        upgraded(back, home, NOW + timedelta(days=1))
    else:
        assert reading.check_archive(copy).tables == first
        back = new_database()
        load_archive(copy, Target(database=back, objects=open_objects("memory://"), home=home))
    assert totals(back, home, tmp_path / "again.tar") == totals(database, home, tmp_path / "upgraded.tar")
    back.close()


def test_a_copy_is_made_once_for_each_upgrade_and_the_newest_are_kept(new_database: Callable[[], Database], home: Home):
    database = new_database()
    assert upgraded(database, home) is None, "nothing was there"
    assert upgraded(database, home) is None, "nothing is out of date"
    made = []
    for number in range(KEPT + 1):
        with database.transaction() as connection:
            command.downgrade(branch_config(connection, "registry"), "0003")
        made.append(upgraded(database, home, NOW + timedelta(seconds=number)))
    assert sorted(home.backups.iterdir()) == made[1:]


def test_a_database_of_a_newer_release_is_left_alone(new_database: Callable[[], Database], home: Home):
    database = new_database()
    upgraded(database, home)
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version_jobs SET version_num = '0999'"))
    with pytest.raises(StateTooNewError, match="jobs at 0999"):
        upgraded(database, home)
