"""Control is killed at each step of a rollout: whatever it was about to write, it ends as was wanted."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from modelyard.control.endpoints.rollouts.plans import RolloutSpec
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.database import Database
from modelyard.types.endpoints import RolloutPlan
from modelyard.types.planning import DemandTable, Outcomes, VariantDemand

OLD, NEW = [("v0", 1, 1.0, 1)], [("v0", 2, 1.0, 1)]


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Reaper:
    """Ends "control" around the n-th commit that it makes in the test's thread."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.commits = 0
        self._target: tuple[int, str] | None = None
        original, thread = Database.transaction, threading.current_thread()

        @contextmanager
        def transaction(database: Database) -> Iterator[object]:
            is_counted = threading.current_thread() is thread
            with original(database) as connection:
                yield connection
                if is_counted:
                    self.commits += 1
                    self._strike("before")
            if is_counted:
                self._strike("after")

        patch.setattr(Database, "transaction", transaction)

    def aim(self, commit: int, moment: str) -> None:
        self.commits, self._target = 0, (commit, moment)

    def _strike(self, moment: str) -> None:
        if self._target == (self.commits, moment):
            self._target = None
            raise Killed


@pytest.fixture
def reaper(monkeypatch: pytest.MonkeyPatch) -> Reaper:
    return Reaper(monkeypatch)


def plan() -> RolloutPlan:
    stages = {"strategy": "shadow_canary", "share": 0.1, "seconds": 1, "requests": 0, "needs_approval": True}
    return RolloutSpec(**stages).to_plan()


def report(platform, new: Outcomes) -> None:
    common = {"project": "default", "endpoint": "digits", "model": "digits"}
    variants = (
        VariantDemand(**common, variant="v0", number=1, outcomes=Outcomes(answered=1000)),
        VariantDemand(**common, variant="v0.new", number=2, outcomes=new),
    )
    platform.gateway.write(DemandTable(written_at=0, variants=variants))


class Person:
    """Somebody who wants digits:2 at the endpoint, and does again what got lost when control was killed."""

    def __init__(self, platform, ending: str) -> None:
        self._platform = platform
        self._ending = ending
        self._failures = 0

    def act(self) -> bool:
        """Do what is to be done now; True once nothing is."""
        platform = self._platform
        endpoint = platform.endpoint()
        rollout = endpoint.rollout
        if rollout is None or rollout.to_variants[0].number != NEW[0][1]:
            platform.update("digits:2", plan=plan())
            return False
        if rollout.status != "RUNNING":
            return True
        if rollout.stage is None:
            return False
        if self._ending == "fails":
            self._failures += 50
            report(platform, Outcomes(failed=self._failures))
        elif self._ending == "by hand":
            platform.service.roll_back("default", "digits")
        elif "approval" in endpoint.reason and not rollout.is_approved:
            platform.service.approve("default", "digits")
        return False


def play(platform, ending: str) -> bool:
    """Let the person and control work until both are through; True if control was killed on the way."""
    person, was_killed = Person(platform, ending), False
    for _ in range(400):
        try:
            if person.act() and is_settled(platform, ending):
                return was_killed
            platform.tick(0.5)
        except Killed:
            was_killed = True
            platform.restart()
        time.sleep(0.002)  # what other threads prove takes real time
        check(platform)
    raise AssertionError(f"never came: {platform.kinds()} {platform.served()}")


def is_settled(platform, ending: str) -> bool:
    wanted = NEW if ending == "is approved" else OLD
    return platform.served() == wanted and platform.alive_numbers() == [wanted[0][1]]


def check(platform) -> None:
    """At every moment all of the traffic goes to replicas that are ready."""
    served = platform.served()
    assert sum(weight for _, _, weight, _ in served) == pytest.approx(1)
    assert all(ready for _, _, weight, ready in served if weight)


def start_anew(platform) -> None:
    if platform.served():
        platform.service.delete("default", "digits", None)
        platform.until(lambda: platform.route() is None and not platform.engine.alive(), seconds=1)
        platform.until(lambda: "digits" not in known(platform), seconds=1)
    platform.create("digits:1")
    platform.until(lambda: platform.served() == OLD)


def known(platform) -> list[str]:
    return [each.name for each in platform.service.list("default", PageQuery()).items]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("ending", ["is approved", "fails", "by hand"])
def test_killed_around_any_commit_a_rollout_ends_as_was_wanted(platform, reaper, ending, moment):
    commit, kills = 1, 0
    while True:
        reaper.aim(0, "never")
        start_anew(platform)
        reaper.aim(commit, moment)
        if not play(platform, ending):
            break
        rollout = platform.endpoint().rollout
        assert rollout.status == ("COMPLETED" if ending == "is approved" else "ROLLED_BACK")
        words = {"is approved": "", "fails": "requests failed", "by hand": "it was rolled back by hand"}
        assert words[ending] in rollout.reason
        kills, commit = kills + 1, commit + 1
    assert kills >= 6, "a rollout has more steps than that"
