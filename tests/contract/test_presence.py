"""Control processes on one PostgreSQL know of each other, and one of them has the duties."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from modelyard.kit.locks import ResourceBusyError
from modelyard.storage import presence
from modelyard.storage.database import Database
from modelyard.storage.presence import Alone, Among, check_not_in_use

APPLICATIONS = "registry+jobs+operations"
GRACE_SECONDS = 1.0


class Left(Exception):  # noqa: N818 - what a process does, no fault
    """In place of the end of the process."""


@pytest.fixture
def among(
    postgres_url: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Among]]:
    """`among(identity)`: a process, entered."""
    monkeypatch.setattr(presence, "GRACE_SECONDS", GRACE_SECONDS)
    monkeypatch.setattr(presence, "_ENTER_SECONDS", 0.5)
    url = postgres_url()
    made: list[Among] = []

    def leave() -> None:
        raise Left

    def make(identity: str, applications: str = APPLICATIONS) -> Among:
        made.append(Among(url, applications, identity, tmp_path / f"{identity}.mark", leave))
        made[-1].enter()
        return made[-1]

    make.url = url
    yield make
    for each in made:
        each._close()


def cut(url: str, member: Among) -> None:
    """As when its machine or the network dies: the server ends its session."""
    pid = member._session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    database.close()


def looks_until(member: Among, what: Callable[[], object], seconds: float = 10.0) -> float:
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < seconds
        member.look()
        time.sleep(0.05)
    return time.monotonic() - started


def test_one_has_the_duties_and_both_know_of_each_other(among: Callable[..., Among]):
    first, second = among("a"), among("b")
    first.look()
    assert (first.has_duties, second.has_duties) == (True, False)
    assert (first.lives(second.name), second.lives(first.name)) == (True, True)
    assert second.gone([first.name, second.name]) == []
    with pytest.raises(ResourceBusyError, match=r"'registry\+jobs\+operations/a'"):
        among("a")


def test_a_dead_one_is_taken_over_from_after_the_time_of_grace(among: Callable[..., Among]):
    first, second, other = among("a"), among("b"), among("c", "jobs")
    cut(among.url, first)
    second.look()
    assert second.gone([first.name]) == []
    assert second.lives(first.name), "it may have been started again"
    seconds = looks_until(second, lambda: second.gone([first.name]) and second.has_duties)
    assert seconds > GRACE_SECONDS / 2
    assert not second.lives(first.name)
    assert second.gone(["control"]) == [], "the name of earlier releases: the time of grace begins with the first look"
    looks_until(other, lambda: other.has_duties)
    time.sleep(GRACE_SECONDS)
    assert other.gone([first.name]) == [], "it does not run the same applications"
    with pytest.raises(Left):
        looks_until(first, lambda: False)


def test_one_that_is_started_again_or_loses_its_session_for_a_moment_keeps_the_duties(among: Callable[..., Among]):
    first, second = among("a"), among("b")
    cut(among.url, first)
    second.look()
    assert not second.has_duties, "though it is alone now"
    first.look()
    assert not first.has_duties, "it knows nothing as long as it is cut off"
    first.look()
    second.look()
    assert (first.has_duties, second.has_duties) == (True, False)

    cut(among.url, first)
    second.look()
    again = among("a")
    second.look()
    assert (again.has_duties, second.has_duties) == (True, False)
    assert second.gone([first.name]) == []


def _is_in_use(database: Database) -> bool:
    with database.read() as connection:
        try:
            check_not_in_use(connection)
        except ResourceBusyError:
            return True
    return False


def test_a_database_with_a_control_process_is_in_use(among: Callable[..., Among], tmp_path: Path):
    database = Database(among.url)
    with database.read() as connection:
        check_not_in_use(connection)
    member = among("a")
    with database.read() as connection, pytest.raises(ResourceBusyError, match="works on this database"):
        check_not_in_use(connection)
    member._close()
    deadline = time.monotonic() + 30
    while _is_in_use(database):  # the server notices in its own time that a connection is gone
        assert time.monotonic() < deadline
        time.sleep(0.02)
    database.close()
    local = Database(f"sqlite:///{tmp_path}/a.db")
    with local.read() as connection:
        check_not_in_use(connection)
    local.close()


def test_on_sqlite_there_is_one_and_it_has_the_duties():
    alone = Alone()
    alone.enter()
    alone.look()
    assert (alone.has_duties, alone.lives(""), alone.gone(["control"])) == (True, True, [])
