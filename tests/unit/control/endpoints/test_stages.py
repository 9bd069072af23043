"""Rollouts in stages: who gets which requests, what sends a version back, and that a kill changes nothing."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from modelyard.control.endpoints.errors import NothingToApproveError, NothingToRollBackError
from modelyard.control.endpoints.rollouts.judging import Seen, objection
from modelyard.control.endpoints.rollouts.plans import RolloutSpec
from modelyard.kit.clock import FakeClock
from modelyard.types.endpoints import Rollout, RolloutPlan
from modelyard.types.planning import QUANTILES, DemandTable, Outcomes, ServicePoint, VariantDemand

OLD_ONLY = [("v0", 1, 1.0, 1)]


class LeapingClock(FakeClock):
    """A clock whose time of day may be set while its other time goes on."""

    offset = timedelta()

    def now(self) -> datetime:
        return super().now() + self.offset


@pytest.fixture
def ready(platform):
    platform.create("digits:1")
    platform.until(lambda: platform.served() == OLD_ONLY)
    return platform


def plan(strategy: str, **fields: object) -> RolloutPlan:
    return RolloutSpec(**{"strategy": strategy, "seconds": 30, "requests": 10} | fields).to_plan()


def curve(milliseconds: float, *, rows: float = 1, batches: int = 100):
    seconds = milliseconds / 1000
    return (
        ServicePoint(rows=rows, batches=batches, mean_seconds=seconds, quantiles_seconds=(seconds,) * len(QUANTILES)),
    )


def report(platform, *, old: Outcomes, new: Outcomes, name: str = "v0.new", number: int = 2) -> None:
    """What the gateway writes of both versions."""
    common = {"project": "default", "endpoint": "digits", "model": "digits"}
    variants = (
        VariantDemand(**common, variant="v0", number=1, outcomes=old),
        VariantDemand(**common, variant=name, number=number, outcomes=new),
    )
    platform.gateway.write(DemandTable(written_at=0, variants=variants))


def in_stage(platform, stage: int) -> bool:
    rollout = platform.endpoint().rollout
    return rollout.stage == stage and platform.reconciler.tick() is None


def last(platform) -> Rollout:
    return platform.endpoint().rollout


def test_a_canary_answers_its_share_until_it_has_shown_itself_and_then_everything(ready):
    ready.update("digits:2", plan=plan("canary", share=0.1))
    ready.until(lambda: len(ready.served()) == 2)
    assert ready.served() == [("v0", 1, 0.9, 1), ("v0.new", 2, 0.1, 1)]
    assert ready.endpoint().reason == "rollout: stage 1 of 1, 10 % of the traffic; 0 of 10 requests have come"
    report(ready, old=Outcomes(answered=90), new=Outcomes(answered=10))
    ready.tick()
    assert len(ready.served()) == 2, "it has its requests but not yet its time"
    assert "s are left" in ready.endpoint().reason
    ready.tick(30)
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])
    assert (last(ready).status, ready.status()) == ("COMPLETED", "READY")


def test_linear_moves_the_traffic_in_steps_and_keeps_the_old_version_loaded_to_the_last(ready):
    ready.update("digits:2", plan=plan("linear", steps=4, requests=0))
    weights = []
    for stage in range(4):
        ready.until(lambda stage=stage: in_stage(ready, stage))
        weights.append([round(weight, 2) for _, _, weight, _ in ready.served()])
        assert ready.alive_numbers() == [1, 2]
        ready.tick(31)
    assert weights == [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]]
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])


def test_a_shadow_gets_copies_and_no_traffic(ready):
    ready.update("digits:2", plan=plan("shadow", share=0.5))
    ready.until(lambda: len(ready.served()) == 2)
    route = ready.route()
    assert [(v.name, v.weight) for v in route.variants] == [("v0", 1.0), ("v0.new", 0.0)]
    assert (route.shadow.variant, route.shadow.share) == ("v0.new", 0.5)
    ready.tick(60)
    report(ready, old=Outcomes(answered=100), new=Outcomes(answered=60, compared=60, differing=3))
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])
    assert ready.route().shadow is None


def test_a_shadow_that_answers_otherwise_than_agreed_never_gets_traffic(ready):
    ready.update("digits:2", plan=plan("shadow", minimum_agreement=0.95))
    ready.until(lambda: len(ready.served()) == 2)
    report(ready, old=Outcomes(answered=200), new=Outcomes(answered=200, compared=200, differing=60))
    ready.until(lambda: ready.served() == OLD_ONLY)
    assert last(ready).status == "ROLLED_BACK"
    assert "70.0% of 200 copied requests" in last(ready).reason
    ready.until(lambda: ready.alive_numbers() == [1])


def test_a_canary_that_fails_gives_its_share_back_at_once_with_the_figures(ready):
    report(ready, old=Outcomes(answered=1000), new=Outcomes())
    ready.update("digits:2", plan=plan("canary"))
    ready.until(lambda: len(ready.served()) == 2)
    report(ready, old=Outcomes(answered=1100), new=Outcomes(answered=20, failed=10))
    ready.tick()
    assert ready.served() == OLD_ONLY, "one look is enough"
    assert last(ready).reason == (
        "10 of 30 requests failed; 0 of 100 failed with the old version (stage 1 of 1, 10 % of the traffic)"
    )
    assert ready.status() == "READY"


def test_nan_answers_count_as_failures(ready):
    ready.update("digits:2", plan=plan("canary"))
    ready.until(lambda: len(ready.served()) == 2)
    report(ready, old=Outcomes(answered=1100), new=Outcomes(answered=50, nan_rows=20))
    ready.until(lambda: ready.served() == OLD_ONLY)
    assert "20 rows were answered with NaN" in last(ready).reason


def test_a_stage_without_requests_ends_the_rollout_because_nothing_can_be_said(ready):
    ready.update("digits:2", plan=plan("canary", limit_seconds=600))
    ready.until(lambda: len(ready.served()) == 2)
    ready.tick(601)
    ready.until(lambda: ready.served() == OLD_ONLY)
    assert "only 0 of 10 requests came" in last(ready).reason


def test_a_rollout_that_asks_waits_for_a_person_however_long_that_takes(ready):
    ready.update("digits:2", plan=plan("canary", needs_approval=True, requests=0))
    ready.until(lambda: len(ready.served()) == 2)
    ready.tick(5000)
    ready.tick()
    assert len(ready.served()) == 2
    assert ready.endpoint().reason.endswith("it waits for approval")
    ready.service.approve("default", "digits")
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])
    assert "rollout_approved" in ready.kinds()
    with pytest.raises(NothingToApproveError):
        ready.service.approve("default", "digits")


def test_a_person_can_go_back_from_a_stage_and_after_the_end(ready):
    with pytest.raises(NothingToRollBackError):
        ready.service.roll_back("default", "digits")
    ready.update("digits:2", plan=plan("canary"))
    ready.until(lambda: len(ready.served()) == 2)
    ready.service.roll_back("default", "digits")
    ready.tick()
    assert ready.served() == OLD_ONLY
    assert last(ready).reason == "it was rolled back by hand"
    ready.update("digits:3")
    ready.until(lambda: ready.served() == [("v0", 3, 1.0, 1)])
    ready.service.scale("default", "digits", 2, None)
    ready.until(lambda: ready.served() == [("v0", 3, 1.0, 2)])
    ready.service.roll_back("default", "digits")
    ready.until(lambda: ready.served() == OLD_ONLY)


@pytest.mark.parametrize("rounds", range(0, 16, 3))
def test_a_kill_at_any_round_of_a_staged_rollout_leaves_a_state_that_goes_on(ready, rounds):
    ready.update("digits:2", plan=plan("linear", steps=2, requests=0, seconds=2))
    for _ in range(rounds):
        ready.tick()
    before = last(ready).stage
    ready.restart()
    ready.tick(0.01)
    assert last(ready).stage == before or before is None
    assert sum(weight for _, _, weight, _ in ready.served()) == pytest.approx(1)
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])


def test_after_a_restart_the_requests_of_a_stage_are_counted_anew(ready):
    ready.update("digits:2", plan=plan("canary", seconds=0))
    ready.until(lambda: len(ready.served()) == 2)
    report(ready, old=Outcomes(answered=90), new=Outcomes(answered=9))
    ready.tick()
    ready.restart()
    ready.tick()
    assert "0 of 10 requests" in ready.endpoint().reason
    report(ready, old=Outcomes(answered=90), new=Outcomes(answered=19))
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])


def test_an_endpoint_that_is_deleted_in_the_middle_of_a_stage_is_gone(ready):
    ready.update("digits:2", plan=plan("canary"))
    ready.until(lambda: len(ready.served()) == 2)
    ready.service.delete("default", "digits", None)
    ready.until(lambda: ready.route() is None and not ready.engine.alive())


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (Outcomes(answered=2, failed=1), ""),
        (Outcomes(answered=3000, failed=3), ""),
        (Outcomes(answered=3000, failed=300), "300 of 3300 requests failed"),
        (Outcomes(failed=20), "20 of 20 requests failed"),
    ],
)
def test_a_few_failures_are_no_verdict_and_many_are(new, words):
    for old in (Outcomes(answered=3000), Outcomes()):
        why = objection(RolloutPlan(), Seen(outcomes=old), Seen(outcomes=new))
        assert why.startswith(words)
        assert bool(why) == bool(words)


def test_failures_that_the_old_version_has_as_well_are_not_held_against_the_new_one():
    both = Seen(outcomes=Outcomes(answered=900, failed=100))
    assert not objection(RolloutPlan(), both, both)


@pytest.mark.parametrize(
    ("old", "new", "is_refused"),
    [
        (curve(10), curve(25), True),
        (curve(10), curve(15), False),
        (curve(0.1), curve(1), False),  # ten times as slow, and nobody notices
        (curve(10, rows=1), curve(25, rows=16), False),  # not the same batches
        (curve(10), curve(25, batches=5), False),  # too few to say
    ],
)
def test_a_version_whose_batches_take_much_longer_goes_back(old, new, is_refused):
    why = objection(RolloutPlan(), Seen(curve=old), Seen(curve=new))
    assert bool(why) is is_refused
    assert not why or "2.5 times as long" in why


def test_a_version_that_is_slow_for_large_requests_alone_goes_back_for_them():
    usual = (*curve(1), *curve(1, rows=4), *curve(2, rows=600, batches=30))
    large = (*curve(1), *curve(1, rows=4), *curve(40, rows=600, batches=30))
    assert objection(RolloutPlan(), Seen(curve=usual), Seen(curve=large)) == (
        "its batches of about 600 rows take 20.0 times as long as the old version's (40.0 ms instead of 2.0 ms); "
        "2 times is allowed"
    )
    assert not objection(RolloutPlan(), Seen(curve=usual), Seen(curve=usual))


def test_what_a_busy_machine_does_to_half_of_the_batches_of_one_size_sends_nobody_back():
    quantiles = tuple(0.002 if share < 0.5 else 0.04 for share in QUANTILES)
    noisy = ServicePoint(rows=600, batches=30, mean_seconds=0.02, quantiles_seconds=quantiles)
    usual = (*curve(1), *curve(1, rows=4), *curve(2, rows=600, batches=30))
    assert not objection(RolloutPlan(), Seen(curve=usual), Seen(curve=(*usual[:2], noisy)))


def test_a_stage_may_need_fewer_requests_than_the_others(ready):
    ready.update("digits:2", plan=plan("shadow_canary", copies=1.0, share=0.01, canary_requests=0))
    ready.until(lambda: len(ready.served()) == 2)
    assert ready.route().shadow.share == 1.0
    assert ready.endpoint().reason.endswith("copies of 100 % of the requests; 0 of 10 requests have come")
    report(ready, old=Outcomes(answered=90), new=Outcomes(answered=10, compared=10))
    ready.tick(31)
    ready.until(lambda: in_stage(ready, 1))
    assert [weight for _, _, weight, _ in ready.served()] == [0.99, 0.01]
    ready.tick(31)
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])


class TestWithAClockThatIsSet:
    @pytest.fixture
    def clock(self) -> FakeClock:
        return LeapingClock()

    @pytest.fixture
    def trial(self, ready):
        ready.update("digits:2", plan=plan("canary", requests=0, seconds=30))
        ready.until(lambda: len(ready.served()) == 2)
        return ready

    @pytest.mark.parametrize("leap", [timedelta(days=400), timedelta(days=-400)])
    def test_a_leap_neither_ends_a_stage_nor_holds_it_up(self, trial, leap):
        trial.clock.offset = leap
        trial.tick(20)
        trial.tick()
        assert len(trial.served()) == 2, "its time is not over"
        trial.tick(10)
        trial.until(lambda: trial.served() == [("v0", 2, 1.0, 1)])

    def test_after_a_restart_with_the_clock_set_back_a_stage_begins_anew(self, trial):
        trial.clock.offset = timedelta(days=-400)
        trial.restart()
        trial.tick(1)
        trial.tick(28)
        assert len(trial.served()) == 2
        trial.tick(2)
        trial.until(lambda: trial.served() == [("v0", 2, 1.0, 1)])


def test_a_database_that_is_locked_for_a_moment_changes_nothing_about_a_stage(ready):
    ready.update("digits:2", plan=plan("canary", requests=0))
    ready.until(lambda: len(ready.served()) == 2)
    event.listen(ready.database.engine, "connect", lambda each, _: each.execute("PRAGMA busy_timeout = 0"))
    ready.database.engine.dispose()
    ready.clock.sleep(31)
    with ready.database.engine.connect() as locker:
        locker.exec_driver_sql("ROLLBACK")
        locker.exec_driver_sql("BEGIN IMMEDIATE")
        ready.reconciler.tick()
        assert len(ready.served()) == 2
        locker.exec_driver_sql("ROLLBACK")
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])
    assert last(ready).status == "COMPLETED"
