"""The whole state in one file, from any database and object store to any other."""

import io
import json
import math
import os
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from alembic import command
from sqlalchemy import insert, select, text, update

from modelyard.control.access.tables import tokens
from modelyard.control.endpoints.tables import endpoints
from modelyard.control.events.tables import events
from modelyard.control.metering.tables import usage_records
from modelyard.control.tables import load_tables
from modelyard.errors import AlreadyExistsError, NotFoundError
from modelyard.settings import Home
from modelyard.storage.archive import layout, reading
from modelyard.storage.archive.layout import (
    ArchiveDamagedError,
    ImportTargetNotEmptyError,
    StateTooNewError,
    Totals,
)
from modelyard.storage.archive.loading import Target, load_archive
from modelyard.storage.archive.writing import Source, write_archive
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.storage.migrate import branch_config, head_of
from modelyard.storage.objects import ObjectKeyInvalidError, ObjectStore, open_objects

KINDS = ("sqlite and files", "postgresql and s3")
AT = datetime(2026, 3, 1, 12, 30, 1, 250_000, tzinfo=UTC)
LARGE_BYTES = 96 << 20
IN_FLIGHT_BYTES = 64 << 20  # parts of an S3 upload


class Place:
    """A database, an object store and a state directory."""

    def __init__(self, database: Database, objects: ObjectStore, home: Home) -> None:
        self.database, self.objects, self.home = database, objects, home
        home.create()

    def export(self, path: Path, *, has_objects: bool = True) -> Totals:
        with self.database.read() as connection:
            source = Source(
                connection=connection,
                objects=self.objects if has_objects else None,
                home=self.home,
                release="0.1.0",
                now=AT,
            )
            return write_archive(path, source)

    def load(self, path: Path) -> Totals:
        return load_archive(path, Target(database=self.database, objects=self.objects, home=self.home))

    def has_nothing(self) -> bool:
        with self.database.read() as connection:
            has_tables = any(connection.dialect.has_table(connection, f"alembic_version_{each}") for each in BRANCHES)
        return not has_tables and [*self.objects.list()] == [] and not self.home.mask_key.exists()


@pytest.fixture
def places(
    tmp_path: Path,
    postgres_url: Callable[[], str],
    s3_server: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[str], Place]]:
    load_tables()
    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    made: list[Place] = []

    def make(kind: str) -> Place:
        folder = tmp_path / f"place-{len(made)}"
        is_local = kind == KINDS[0]
        url = f"sqlite:///{folder}/state.db" if is_local else postgres_url()
        objects = (folder / "objects").as_uri() if is_local else f"s3://test/{tmp_path.name}/{len(made)}"
        made.append(Place(Database(url), open_objects(objects), Home(folder / "home")))
        return made[-1]

    yield make
    for place in made:
        place.database.close()


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, places: Callable[[str], Place]) -> Place:
    return places(request.param)


@pytest.fixture
def local(places: Callable[[str], Place]) -> Place:
    """An empty one, for what has nothing to do with where state lies."""
    return places(KINDS[0])


@pytest.fixture
def archive(places: Callable[[str], Place], tmp_path: Path) -> Path:
    filled(places(KINDS[0])).export(tmp_path / "state.tar")
    return tmp_path / "state.tar"


def filled(place: Place) -> Place:
    """With values that databases keep in different ways."""
    place.database.upgrade(*BRANCHES)
    token = {"name": "ünïcode '\n", "role": "viewer", "created_at": AT, "requests_per_second": 0.1}
    endpoint = {
        "project": "default", "name": "digits", "variants": (), "capture_share": 1 / 3, "is_stopped": True,
        "is_deleting": False, "status": "READY", "reason": "", "deployed": ("digits:2",), "created_at": AT,
        "updated_at": AT + timedelta(microseconds=1), "version": 3,
    }  # fmt: skip
    with place.database.transaction() as connection:
        names = ("token-b", "token-B", "token-a", "token_a")
        connection.execute(insert(tokens), [{**token, "id": name, "secret_sha256": name} for name in names])
        connection.execute(update(tokens).where(tokens.c.id == "token-B").values(requests_per_second=math.inf))
        connection.execute(insert(endpoints), [endpoint, {**endpoint, "name": "Digits.2", "is_stopped": False}])
        event = {"project": "default", "subject": "x", "kind": "k", "at": AT, "details": {}}
        connection.execute(insert(events), [{**event, "message": str(number)} for number in range(1200)])
        used = {
            "process": "job-1-1",
            "kind": "job",
            "name": "job-1",
            "version": "",
            "day": AT.date(),
            "price_list": 1,
            "project": "default",
            "is_spot": False,
            "cpu_seconds": 0.1,
            "memory_gib_seconds": 2.0,
            "gpu_seconds": 0.0,
        }
        connection.execute(insert(usage_records), [used])
        connection.execute(text("DELETE FROM events WHERE sequence < 100"))
    for size, key in ((0, "logs/empty"), (1, "a b/ü"), (5 << 20, "sha256/ab/abc")):
        place.objects.put_stream(key, iter([os.urandom(size)] if size else []))
    place.home.mask_key.write_text("ab" * 32)
    place.home.spool.mkdir(parents=True, exist_ok=True)
    (place.home.spool / "seg-1.captures").write_bytes(b"waiting")
    return place


def contents(objects: ObjectStore) -> dict[str, bytes]:
    return {info.key: objects.read(info.key) for info in objects.list()}


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_what_was_exported_is_there_after_the_import_and_exports_alike(
    source: str, target: str, places: Callable[[str], Place], tmp_path: Path
):
    first, second = filled(places(source)), places(target)
    exported = first.export(tmp_path / "one.tar")
    assert (tmp_path / "one.tar").stat().st_mode & 0o777 == 0o600
    assert second.load(tmp_path / "one.tar") == exported
    assert contents(second.objects) == contents(first.objects)
    assert second.home.mask_key.read_text() == "ab" * 32
    assert (second.home.spool / "seg-1.captures").read_bytes() == b"waiting"

    again = second.export(tmp_path / "two.tar")
    assert again.tables == exported.tables
    assert (again.files, again.objects.count, again.objects.bytes) == (
        exported.files, exported.objects.count, exported.objects.bytes,
    )  # fmt: skip
    assert exported.tables["operations/events"].rows == 1101
    with second.database.transaction() as connection:
        values = {"project": "default", "subject": "x", "kind": "k", "message": "", "at": AT, "details": {}}
        assert connection.execute(insert(events).values(values)).inserted_primary_key == (1201,)
        row = connection.execute(select(endpoints).where(endpoints.c.name == "digits")).one()
        rates = dict(connection.execute(select(tokens.c.id, tokens.c.requests_per_second)).all())
    assert rates == {"token-b": 0.1, "token-B": math.inf, "token-a": 0.1, "token_a": 0.1}
    assert (row.is_stopped, row.is_deleting, row.capture_share) == (True, False, 1 / 3)
    assert row.updated_at == AT + timedelta(microseconds=1)


@pytest.mark.parametrize(
    "harm",
    ["cut in the middle", "cut before its totals", "one byte changed", "a member twice", "a member more", "no tar"],
)
def test_a_damaged_archive_changes_nothing(harm: str, archive: Path, local: Place):
    content = bytearray(archive.read_bytes())
    if harm == "cut in the middle":
        content = content[: len(content) // 2]
    elif harm == "cut before its totals":
        content = content[: content.rindex(b"totals.json")]
    elif harm == "one byte changed":
        content[content.index(b"token-a")] ^= 1
    elif harm == "no tar":
        content[:] = b"hello"
    archive.write_bytes(content)
    if harm in ("a member twice", "a member more"):
        name = "tables/registry/tokens.jsonl" if harm == "a member twice" else "objects/sha256/00/more"
        rewritten(archive, lambda members: [*members[:-1], (name, b'["id"]\n'), members[-1]])
    with pytest.raises(ArchiveDamagedError, match=r"archive|twice|whole"):
        local.load(archive)
    assert local.has_nothing()


def rewritten(path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> None:
    """The same tar with other members."""
    with tarfile.open(path) as old:
        members = change([(each.name, old.extractfile(each).read()) for each in old])
    with tarfile.open(path, "w") as new:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            new.addfile(info, io.BytesIO(content))


def with_right_totals(path: Path) -> None:
    """As somebody would make it who knows the format."""
    found = reading._Found()
    with reading.members(path) as members:
        for member in members:
            reading._take(found, member)
    totals = msgspec.json.encode(found.summary())
    rewritten(path, lambda members: [*members[:-1], (layout.TOTALS, totals)])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("files/admin.token", ArchiveDamagedError),
        ("files/captures/spool/../../x", ArchiveDamagedError),
        ("objects/../../x", ObjectKeyInvalidError),
        ("elsewhere/x", ArchiveDamagedError),
    ],
)
def test_an_archive_cannot_write_where_it_pleases(name: str, error: type[Exception], archive: Path, local: Place):
    rewritten(archive, lambda members: [*members[:-1], (name, b"x"), members[-1]])
    if not name.startswith("elsewhere"):
        with_right_totals(archive)
    with pytest.raises(error):
        local.load(archive)
    assert local.has_nothing()


def test_rows_that_the_database_refuses_leave_nothing_behind(archive: Path, empty: Place):
    def twice(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        return [
            (name, content + b'["x"]\n' if name == "tables/registry/tokens.jsonl" else content)
            for name, content in members
        ]

    rewritten(archive, twice)
    with_right_totals(archive)
    with pytest.raises(ArchiveDamagedError, match="tokens"):
        empty.load(archive)
    with empty.database.read() as connection:
        assert not connection.dialect.has_table(connection, "tokens")
    assert [*empty.objects.list()] == []


def test_newer_archives_and_newer_databases_are_refused(archive: Path, empty: Place, tmp_path: Path):
    header = reading.read_header(archive)
    newer = [
        replace(header, format=2),
        replace(header, revisions={"registry": "9999"}),
        replace(header, revisions={"x": "1"}),
    ]
    for each in newer:
        rewritten(archive, lambda members, new=each: [(layout.HEADER, msgspec.json.encode(new)), *members[1:]])
        with pytest.raises(StateTooNewError):
            empty.load(archive)
        assert empty.has_nothing()
    empty.database.upgrade("registry")
    with empty.database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version_registry SET version_num = '9999'"))
    with pytest.raises(StateTooNewError, match="registry at 9999"):
        empty.export(tmp_path / "newer.tar")
    assert not (tmp_path / "newer.tar").exists()


def test_targets_that_hold_something_are_refused_but_not_the_remains_of_the_same_import(archive: Path, empty: Place):
    empty.objects.put_stream("sha256/ab/abc", iter([b"half an import"]))
    empty.objects.put_stream("somebody/elses", iter([b"x"]))
    with pytest.raises(ImportTargetNotEmptyError, match="somebody/elses"):
        empty.load(archive)
    assert empty.objects.read("sha256/ab/abc") == b"half an import"
    empty.objects.delete("somebody/elses")
    (empty.home.spool / "other.captures").write_bytes(b"x")
    with pytest.raises(ImportTargetNotEmptyError, match=r"other\.captures"):
        empty.load(archive)
    (empty.home.spool / "other.captures").unlink()
    empty.load(archive)
    assert len(empty.objects.read("sha256/ab/abc")) == 5 << 20
    with pytest.raises(ImportTargetNotEmptyError, match="database is not empty"):
        empty.load(archive)


def test_files_are_not_overwritten_and_nothing_cannot_be_exported(archive: Path, empty: Place, tmp_path: Path):
    with pytest.raises(NotFoundError, match="no state"):
        empty.export(tmp_path / "nothing.tar")
    empty.load(archive)
    before = archive.read_bytes()
    with pytest.raises(AlreadyExistsError):
        empty.export(archive)
    assert archive.read_bytes() == before
    with pytest.raises(NotFoundError, match="no file"):
        empty.load(tmp_path / "nowhere.tar")


def test_an_archive_of_the_first_schema_is_brought_up_to_date(
    places: Callable[[str], Place], empty: Place, tmp_path: Path
):
    old = places(KINDS[0])
    with old.database.migration() as connection:
        for branch in BRANCHES:
            command.upgrade(branch_config(connection, branch), "0001")
        values = "'token-1', 'ci', 'abc', 'viewer', '2026-01-01 00:00:00'"
        connection.execute(text(f"INSERT INTO tokens (id, name, secret_sha256, role, created_at) VALUES ({values})"))
    old.export(tmp_path / "old.tar", has_objects=False)
    empty.objects.put_stream("kept", iter([b"the backup of a database leaves objects alone"]))
    empty.load(tmp_path / "old.tar")
    with empty.database.read() as connection:
        found = connection.execute(select(tokens)).one()
        assert (found.name, found.created_at, found.requests_per_second) == (
            "ci",
            datetime(2026, 1, 1, tzinfo=UTC),
            None,
        )
        for branch in BRANCHES:
            version = connection.execute(text(f"SELECT version_num FROM alembic_version_{branch}")).scalar_one()
            assert version == head_of(connection, branch)


def test_memory_does_not_grow_with_objects(empty: Place, places: Callable[[str], Place], tmp_path: Path):
    source = places(KINDS[0])
    source.database.upgrade("registry")
    block = os.urandom(1 << 20)
    source.objects.put_stream("large", (block for _ in range(LARGE_BYTES >> 20)))
    tracemalloc.start()
    try:
        source.export(tmp_path / "large.tar")
        empty.load(tmp_path / "large.tar")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert empty.objects.info("large").size_bytes == LARGE_BYTES
    assert peak < IN_FLIGHT_BYTES


def test_the_header_can_be_read_by_people_and_programs(archive: Path):
    with tarfile.open(archive) as opened:
        names = opened.getnames()
        header = json.loads(opened.extractfile(names[0]).read())
    assert (names[0], names[-1]) == ("modelyard.json", "totals.json")
    assert (header["format"], header["modelyard"], header["has_objects"]) == (1, "0.1.0", True)
    assert set(header["revisions"]) == set(BRANCHES)
