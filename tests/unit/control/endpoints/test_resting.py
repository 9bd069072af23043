"""Endpoints that nobody asks rest by policy, come back with what they had, and are told of with what they cost."""

import pytest

from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.endpoints.scaling.idle_report import IdleReport
from modelyard.control.endpoints.scaling.resting import IdlePolicy
from modelyard.control.metering.assembly import assemble
from modelyard.control.metering.records import Subject
from modelyard.errors import UnavailableError
from modelyard.kit.clock import FakeClock
from modelyard.types.compute.costs import Prices
from modelyard.types.endpoints import Scaling
from modelyard.types.planning import DemandTable, VariantDemand
from modelyard.types.processes import ProcessState, ProcessStatus, ProcessUsage

HOUR = 3600.0


def report(platform, *, waiting: int = 0, ready: int = 0, is_asked: bool = True) -> None:
    now = platform.clock.now().timestamp()
    asked = {"project": "default", "endpoint": "digits", "variant": "v0", "model": "digits", "number": 1}
    demand = VariantDemand(
        **asked, waiting=waiting, ready_replicas=ready, last_request_at=now if is_asked else None, arrivals=(0,) * 30
    )
    platform.gateway.write(DemandTable(written_at=now, variants=(demand,)))


@pytest.fixture
def kept(platform):
    """A fixed number of two replicas, asked just now; its project lets endpoints rest after two hours."""
    platform.idle_hours = 2.0
    platform.create("digits:1", replicas=2)
    platform.until(lambda: platform.served() == [("v0", 1, 1.0, 2)])
    report(platform, ready=2)
    platform.tick()
    return platform


@pytest.fixture
def resting(kept):
    kept.clock.sleep(2 * HOUR)
    kept.until(lambda: not kept.engine.alive())
    kept.until_status("IDLE")
    return kept


def test_without_a_request_for_so_long_it_rests_and_says_so_once(kept):
    kept.clock.sleep(1.9 * HOUR)
    kept.tick()
    assert (kept.status(), len(kept.engine.alive())) == ("READY", 2)
    kept.clock.sleep(0.1 * HOUR)
    kept.until(lambda: not kept.engine.alive())
    assert kept.until_status("IDLE").reason == "it has scaled to zero; the next request brings it back"
    assert kept.route().is_on_demand
    kept.clock.sleep(5 * HOUR)
    kept.tick()
    assert kept.kinds().count("endpoint_rested") == 1


def test_the_first_request_brings_all_its_replicas_back_and_it_is_held_until_one_is_ready(resting):
    resting.is_mute = True
    report(resting, waiting=1)
    resting.until(lambda: len(resting.engine.alive()) == 2)
    assert resting.route().is_on_demand, "the request still waits"
    resting.restart()
    resting.is_mute = False
    resting.until(lambda: resting.served() == [("v0", 1, 1.0, 2)])
    report(resting, ready=2)
    resting.until(lambda: not resting.route().is_on_demand)
    assert (resting.status(), resting.kinds().count("endpoint_woken")) == ("READY", 1)


def test_requests_from_before_a_restart_still_count(kept):
    kept.clock.sleep(1.5 * HOUR)
    report(kept, ready=2)
    kept.tick()
    kept.tick(seconds=11)
    kept.gateway.close()
    kept.restart()
    kept.clock.sleep(HOUR)
    kept.tick()
    assert (kept.status(), len(kept.engine.alive())) == ("READY", 2)
    kept.clock.sleep(HOUR)
    kept.until(lambda: not kept.engine.alive())


@pytest.mark.parametrize("hours", [None, 0.0])
def test_without_a_policy_nothing_rests(kept, hours):
    kept.idle_hours = hours
    kept.clock.sleep(1000 * HOUR)
    kept.tick()
    assert (kept.status(), len(kept.engine.alive())) == ("READY", 2)


def test_an_endpoint_that_stays_warm_is_left_alone(kept):
    assert kept.update(stays_warm=True).stays_warm
    kept.clock.sleep(1000 * HOUR)
    kept.tick()
    assert len(kept.engine.alive()) == 2
    assert not kept.update(stays_warm=False).stays_warm
    kept.clock.sleep(1000 * HOUR)
    kept.until(lambda: not kept.engine.alive())


def test_whoever_changes_a_resting_endpoint_wakes_it_with_what_it_had(resting):
    resting.update("digits:2")
    resting.until(lambda: resting.served() == [("v0", 2, 1.0, 1)])
    assert resting.status() == "READY"
    resting.clock.sleep(3 * HOUR)
    resting.until(lambda: not resting.engine.alive())
    resting.service.stop("default", "digits")
    resting.service.start("default", "digits")
    resting.until(lambda: resting.served() == [("v0", 2, 1.0, 1)])


def test_one_that_scales_between_bounds_rests_below_its_minimum(kept):
    kept.update(scaling=Scaling(minimum_replicas=2, maximum_replicas=4))
    kept.clock.sleep(3 * HOUR)
    kept.until(lambda: not kept.engine.alive())
    kept.tick()
    assert kept.engine.alive() == []
    report(kept, waiting=1)
    kept.until(lambda: kept.served() == [("v0", 1, 1.0, 2)])


def test_while_the_registry_is_away_the_last_policy_holds_and_an_unknown_one_is_none():
    clock, answers = FakeClock(), iter([2.0])

    def ask(_project: str) -> float:
        try:
            return next(answers)
        except StopIteration:
            raise UnavailableError("it is away") from None

    known = IdlePolicy(ask, 5.0, clock)
    assert known.hours("a") == 2.0
    clock.sleep(60)
    assert known.hours("a") == 2.0
    assert known.hours("b") == float("inf")
    assert IdlePolicy(lambda _project: None, 5.0, clock).hours("a") == 5.0


def test_the_report_says_who_is_idle_since_when_and_what_that_costs_a_day(kept):
    metering = assemble(
        database=kept.database,
        engine=kept.engine,
        clock=kept.clock,
        subjects=lambda _state: [Subject(project="default", kind="endpoint", name="digits", version="digits:1")],
        kinds=("endpoint",),
    )
    metering.costs.set_prices(Prices(cpu_hour=3600.0, memory_gib_hour=0.0), "ann")
    idle = IdleReport(kept.database, EndpointRepository(), kept.service, metering.costs, kept.clock)
    kept.clock.sleep(1.5 * HOUR)
    kept.tick()
    asked = kept.clock.now()
    report(kept, ready=2)
    kept.tick()
    kept.tick(seconds=11)
    kept.idle_hours = 0.0
    kept.clock.sleep(6 * HOUR)
    made = kept.endpoint().created_at
    metering.ledger.write(
        ProcessState(id="p", status=ProcessStatus.RUNNING, started_at=made, usage=ProcessUsage(cpu_seconds=10.0))
    )
    assert idle.idle("default", 8.0) == []
    (found,) = idle.idle("default", 5.0)
    assert (found.name, found.replicas, found.status) == ("digits", 2, "READY")
    assert found.idle_hours == pytest.approx(6.0, abs=0.1)
    assert abs((found.last_request_at - asked).total_seconds()) < 1
    lived = (kept.clock.now() - made).total_seconds() / HOUR
    assert found.cost_per_day == pytest.approx(10.0 / lived * 24)
    kept.service.stop("default", "digits")
    assert idle.idle("default", 0.0) == []


def test_deleting_an_endpoint_forgets_when_it_was_asked(kept):
    kept.tick(seconds=11)
    with kept.database.read() as connection:
        assert EndpointRepository().activity(connection) != {}
    kept.service.delete("default", "digits", None)
    kept.gateway.close()
    kept.until(lambda: kept.kinds()[-1] == "endpoint_deleted")
    with kept.database.read() as connection:
        assert EndpointRepository().activity(connection) == {}
