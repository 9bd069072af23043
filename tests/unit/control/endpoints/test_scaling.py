"""Scaling by itself: to zero and back, up before the objective breaks, down slowly, and never to and fro."""

import re

import pytest

from modelyard.control.endpoints.reconciliation.launch import Launcher
from modelyard.control.endpoints.scaling.autoscaler import DemandWatch
from modelyard.control.endpoints.scaling.decisions import DOWN_AFTER_SECONDS, expected_rate
from modelyard.control.rest.pages import PageQuery
from modelyard.dataplane.demand import DemandFollower
from modelyard.types.endpoints import Scaling
from modelyard.types.planning import QUANTILES, DemandTable, ServicePoint, VariantDemand

TO_ZERO = Scaling(minimum_replicas=0, maximum_replicas=4, idle_seconds=60)
CURVE = (ServicePoint(rows=1, batches=128, mean_seconds=0.01, quantiles_seconds=(0.01,) * len(QUANTILES)),)


def report(platform, *, rate: int = 0, waiting: int = 0, number: int = 1, **fields: object) -> None:
    """What the gateway writes: half a minute of this rate, the last request now if there was one."""
    now = platform.clock.now().timestamp()
    demand = VariantDemand(
        project="default",
        endpoint="digits",
        variant="v0",
        model="digits",
        number=number,
        waiting=waiting,
        last_request_at=now if rate or waiting else None,
        **{"arrivals": (rate,) * 30, "curve": CURVE} | fields,
    )
    platform.gateway.write(DemandTable(written_at=now, variants=(demand,)))


def replicas(platform) -> int:
    return platform.endpoint().variants[0].replicas


def reasons(platform) -> list[str]:
    page = platform.events.list("default", "endpoint/digits", PageQuery(limit=500), is_oldest_first=True)
    return [event.message for event in page.items if event.kind == "endpoint_autoscaled"]


@pytest.fixture
def scaling(platform):
    """An endpoint with one replica ready, that may scale to zero."""
    platform.create("digits:1")
    platform.update(scaling=TO_ZERO)
    platform.until(lambda: platform.served() == [("v0", 1, 1.0, 1)])
    return platform


@pytest.fixture
def idle(scaling):
    scaling.clock.sleep(60)
    scaling.until(lambda: not scaling.engine.alive())
    return scaling


def test_without_a_request_for_so_long_an_endpoint_goes_to_zero_and_says_so(scaling):
    scaling.clock.sleep(55)
    scaling.tick()
    assert replicas(scaling) == 1
    scaling.clock.sleep(5)
    scaling.until(lambda: not scaling.engine.alive())
    endpoint = scaling.until_status("IDLE")
    assert (endpoint.reason, endpoint.version) == ("it has scaled to zero; the next request brings it back", 2)
    assert {replica.reason for replica in endpoint.replicas} <= {"it was drained"}
    scaling.until(lambda: not scaling.endpoint().replicas)
    route = scaling.route()
    assert (route.is_on_demand, route.reason) == (True, endpoint.reason)
    assert re.search(r"from 1 to 0 replicas of variant 'v0': no request came for 6\d s$", reasons(scaling)[0])


def test_requests_keep_it_awake(scaling):
    for _ in range(10):
        scaling.clock.sleep(30)
        report(scaling, rate=1, ready_replicas=1)
        scaling.tick()
    assert (replicas(scaling), scaling.status()) == (1, "READY")


def test_a_waiting_request_brings_it_back_and_it_is_idle_until_it_is_ready(idle):
    idle.until_status("IDLE")
    idle.is_mute = True
    report(idle, waiting=3)
    idle.until(lambda: len(idle.engine.alive()) == 1)
    idle.tick()
    assert idle.endpoint().reason.startswith("a request brings it back from zero: 0 of 1 replicas are ready")
    assert idle.reconciler.pause_seconds < 0.1, "it looks often while somebody waits"
    idle.is_mute = False
    idle.until(lambda: idle.served() == [("v0", 1, 1.0, 1)])
    assert idle.status() == "READY"
    idle.tick()
    assert idle.reconciler.pause_seconds > 0.2


def test_a_request_that_came_while_control_was_down_is_heard_at_its_start(idle):
    report(idle, waiting=1)
    idle.restart()
    idle.until(lambda: idle.served() == [("v0", 1, 1.0, 1)])


def test_a_version_that_does_not_come_back_fails_at_once_instead_of_holding_requests(idle):
    idle.golden[1] = ["golden request 1: output 'label' is 3 where 4 was expected"]
    report(idle, waiting=1)
    assert "golden request 1" in idle.until_status("FAILED").reason
    idle.tick()
    assert not idle.route().is_on_demand


def test_the_watch_wakes_only_for_requests_that_find_no_replica(platform):
    woken: list[bool] = []
    watch = DemandWatch(DemandFollower(platform.home.demand), lambda: woken.append(True))
    watch.look()
    report(platform, rate=5, waiting=1, ready_replicas=1)
    watch.look()
    assert woken == []
    report(platform, waiting=1)
    watch.look()
    watch.look()
    assert woken == [True]
    (platform.home.demand / "gateway").write_bytes(b"damaged")
    watch.look()
    assert woken == [True]


def test_replicas_are_added_before_the_objective_breaks_and_the_event_says_why(scaling):
    scaling.update(scaling=Scaling(minimum_replicas=1, maximum_replicas=6, p99_ms=60))
    report(scaling, rate=40)
    scaling.tick()
    assert replicas(scaling) == 1
    report(scaling, rate=150)
    scaling.until(lambda: replicas(scaling) > 1)
    wanted = replicas(scaling)
    assert 2 <= wanted <= 4
    assert f"from 1 to {wanted} replicas of variant 'v0': 150 requests/s are coming, with" in reasons(scaling)[-1]
    assert "p99 is predicted at" in reasons(scaling)[-1]
    scaling.until(lambda: scaling.served() == [("v0", 1, 1.0, wanted)])


def test_growth_counts_and_chance_does_not():
    assert expected_rate((100,) * 30) == 100
    assert expected_rate((100,) * 25 + (150,) * 5) == 200
    assert expected_rate((100,) * 25 + (104,) * 5) == 104
    assert expected_rate((150,) * 25 + (100,) * 5) == 100
    assert expected_rate(()) == 0


def test_never_above_the_maximum_and_never_on_a_host_that_has_nothing_left(scaling, monkeypatch):
    scaling.update(scaling=Scaling(minimum_replicas=1, maximum_replicas=3))
    monkeypatch.setattr(scaling.reconciler._autoscaler, "_saturation", lambda: "it is full")
    report(scaling, rate=5000)
    for _ in range(10):
        scaling.tick(3)
    assert replicas(scaling) == 1
    assert scaling.kinds().count("endpoint_scaling_held") == 1, "said once, not every other second"
    monkeypatch.setattr(scaling.reconciler._autoscaler, "_saturation", lambda: "")
    scaling.until(lambda: replicas(scaling) == 3, seconds=3)


def test_down_comes_one_at_a_time_after_a_while_and_a_load_that_sways_does_not_flap(scaling):
    scaling.update(scaling=Scaling(minimum_replicas=1, maximum_replicas=6, idle_seconds=10_000))
    report(scaling, rate=220)
    scaling.until(lambda: replicas(scaling) == 4, seconds=3)
    changes = len(reasons(scaling))
    for second in range(0, 300, 3):
        report(scaling, rate=220 if second % 30 < 15 else 170)
        scaling.tick(3)
    assert (replicas(scaling), len(reasons(scaling))) == (4, changes), "170 now and then is no reason to go down"
    began = scaling.clock.monotonic()
    seen = [4]
    while seen[-1] > 1:
        report(scaling, rate=20)
        scaling.tick(3)
        if replicas(scaling) != seen[-1]:
            seen.append(replicas(scaling))
    assert seen == [4, 3, 2, 1]
    assert scaling.clock.monotonic() - began >= 3 * DOWN_AFTER_SECONDS
    assert "have been enough for 60 s" in reasons(scaling)[-1]


def test_an_idle_endpoint_is_updated_by_proving_the_new_version_and_then_idles_again(idle):
    idle.update("digits:2")
    idle.until(lambda: idle.served() == [("v0", 2, 1.0, 1)])
    assert idle.endpoint().rollout.status == "COMPLETED"
    idle.until_status("READY")
    idle.clock.sleep(60)
    idle.until_status("IDLE")


def test_weights_and_capture_change_without_waking_it(idle):
    idle.until_status("IDLE")
    assert idle.update(capture_share=0.5, weights={"v0": 1.0}).rollout is None
    idle.tick()
    assert idle.status() == "IDLE"


def test_a_fixed_number_ends_scaling_by_itself(idle):
    changed = idle.service.scale("default", "digits", 2, None)
    assert (changed.scaling, changed.variants[0].replicas, changed.status) == (None, 2, "CREATING")
    idle.until(lambda: idle.served() == [("v0", 1, 1.0, 2)])
    idle.clock.sleep(10_000)
    idle.tick()
    assert (replicas(idle), idle.route().is_on_demand) == (2, False)


def test_a_stopped_endpoint_stays_stopped_whatever_waits(idle):
    idle.service.stop("default", "digits")
    report(idle, waiting=5)
    for _ in range(5):
        idle.tick()
    assert (idle.status(), idle.engine.alive(), replicas(idle)) == ("STOPPED", [], 0)


def test_bounds_hold_from_the_start(platform, monkeypatch):
    monkeypatch.setattr(Launcher, "is_listening", lambda _self, _id: True)
    platform.create("digits:1")
    platform.update(scaling=Scaling(minimum_replicas=2, maximum_replicas=3))
    platform.until(lambda: platform.served() == [("v0", 1, 1.0, 2)])
    platform.update(scaling=Scaling(minimum_replicas=1, maximum_replicas=1))
    platform.until(lambda: platform.served() == [("v0", 1, 1.0, 1)])
