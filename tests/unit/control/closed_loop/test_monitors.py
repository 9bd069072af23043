"""Monitors: scheduled once per slot, one verdict, and a word when they cannot run."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelyard.control.endpoints.errors import EndpointNotFoundError
from modelyard.control.monitors.checking.check import MonitorCheck
from modelyard.control.monitors.errors import MonitorExistsError, MonitorNotFoundError, MonitorWindowInvalidError
from modelyard.control.monitors.schemas import MonitorCreate, MonitorUpdate
from modelyard.control.rest.pages import PageQuery
from modelyard.drift.catalog import DetectorUnknownError
from modelyard.errors import PreconditionFailedError
from modelyard.storage.creations import Creation
from modelyard.types.endpoints import CaptureRules, Masking
from modelyard.types.monitoring import Monitor, Verdict


def create(world, **changes) -> Monitor:
    body = {"name": "watch", "endpoint": "points", "interval_seconds": 60, "minimum_rows": 50, "window_rows": 200}
    return world.monitors.create("default", MonitorCreate(**body | changes), None)


def sweep(world) -> int:
    """What the workflow's sweep does, without DBOS."""
    due = world.monitoring.runner.due()
    for check in due:
        world.monitoring.runner.run_due(check)
        world.monitoring.runner.put_off(check)
    return len(due)


def reports(world, name: str = "watch"):
    return world.monitors.reports("default", name, PageQuery()).items


def test_quiet_traffic_gives_no_drift_and_shifted_traffic_is_found_and_announced_once(world):
    create(world)
    world.traffic(200)
    assert world.monitoring.runner.run("default", "watch").verdict is Verdict.NO_DRIFT
    world.traffic(200, shift=2.0)
    report = world.monitoring.runner.run("default", "watch")
    assert (report.verdict, report.rows, report.model_version) == (Verdict.DRIFT, 200, "points:1")
    assert "x rose from " in report.sentence
    world.monitoring.runner.run("default", "watch")
    world.traffic(200)
    assert world.monitoring.runner.run("default", "watch").verdict is Verdict.NO_DRIFT
    assert world.event_kinds() == ["drift_found", "drift_ended"]
    assert world.monitors.get("default", "watch").last_report == reports(world)[0]
    assert [item.verdict for item in reports(world)] == ["NO_DRIFT", "DRIFT", "DRIFT", "NO_DRIFT"]


def test_columns_that_are_masked_in_captures_do_not_drift(world):
    known = world.endpoints.known["points"]
    rules = CaptureRules(personal_columns={"x": Masking.HASH})
    world.endpoints.known["points"] = replace(known, capture=rules)
    create(world, detectors=["input-drift"])
    world.traffic(200, shift=2.0)
    report = world.monitoring.runner.run("default", "watch")
    assert "x" not in [finding.column for finding in report.findings]
    assert "y" in [finding.column for finding in report.findings]


def test_too_few_rows_is_a_verdict_of_its_own(world):
    create(world)
    world.traffic(10)
    report = world.monitoring.runner.run("default", "watch")
    assert (report.verdict, report.rows) == (Verdict.INSUFFICIENT, 10)


def test_the_window_holds_only_the_version_that_serves_now(world):
    create(world)
    world.traffic(200, shift=2.0)
    world.endpoints.deploy("points", "points", 2)
    world.traffic(60, number=2)
    report = world.monitoring.runner.run("default", "watch")
    assert (report.model_version, report.rows, report.verdict) == ("points:2", 60, Verdict.NO_DRIFT)


def test_a_reference_is_fetched_once_per_version(world):
    create(world)
    world.traffic(60)
    for _ in range(3):
        world.monitoring.runner.run("default", "watch")
    assert world.registry.downloads == 1


def test_a_monitor_that_cannot_run_says_so_once(world, monkeypatch):
    create(world)
    world.traffic(60)
    version = world.registry.models["points:1"]
    world.registry.models["points:1"] = replace(version, files=())
    report = world.monitoring.runner.run("default", "watch")
    assert report.verdict is Verdict.FAILED
    assert report.sentence.startswith("The monitor could not run: points:1 carries no reference sketch")
    world.endpoints.known.clear()
    assert "There is no endpoint 'points'" in world.monitoring.runner.run("default", "watch").sentence
    monkeypatch.setattr(MonitorCheck, "version", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in world.monitoring.runner.run("default", "watch").sentence
    assert world.event_kinds() == ["monitor_failed"]


def test_a_schedule_runs_each_slot_once_and_does_not_make_up_for_lost_time(world):
    create(world)
    world.traffic(60)  # a minute passes
    (check,) = world.monitoring.runner.due()
    world.monitoring.runner.run_due(check)
    world.monitoring.runner.run_due(check)
    assert len(reports(world)) == 1
    world.monitoring.runner.put_off(check)
    assert sweep(world) == 0
    world.traffic(1)
    world.clock.sleep(3600)
    assert sweep(world) == 1
    assert sweep(world) == 0
    assert len(reports(world)) == 2


def test_a_schedule_looks_again_only_when_there_is_something_new(world):
    create(world)
    world.traffic(60)
    assert sweep(world) == 1
    world.clock.sleep(60)
    assert sweep(world) == 0
    world.traffic(1)
    world.clock.sleep(60)
    assert sweep(world) == 1


def test_a_scheduled_monitor_that_cannot_run_reports_it_once(world):
    create(world)
    world.endpoints.known.clear()
    for _ in range(3):
        world.clock.sleep(120)
        assert sweep(world) == 1
    assert [item.verdict for item in reports(world)] == [Verdict.FAILED]


def test_a_disabled_monitor_runs_by_hand_only(world):
    create(world, is_enabled=False)
    world.traffic(60)
    assert sweep(world) == 0
    assert world.monitoring.runner.run("default", "watch").verdict is Verdict.NO_DRIFT
    world.monitors.update("default", "watch", MonitorUpdate(is_enabled=True), None)
    assert sweep(world) == 0
    world.traffic(61)
    assert sweep(world) == 1


def test_run_is_idempotent_by_key(world):
    create(world)
    world.traffic(60)
    creation = Creation("key", "digest")
    first = world.monitoring.runner.run("default", "watch", creation)
    assert world.monitoring.runner.run("default", "watch", creation) == first
    assert len(reports(world)) == 1


def test_a_monitor_is_created_changed_and_deleted_with_its_reports(world):
    monitor = create(world)
    with pytest.raises(MonitorExistsError):
        create(world)
    with pytest.raises(PreconditionFailedError):
        world.monitors.update("default", "watch", MonitorUpdate(window_rows=300), 7)
    changed = world.monitors.update("default", "watch", MonitorUpdate(window_rows=300), monitor.version)
    assert (changed.window_rows, changed.minimum_rows, changed.version) == (300, 50, 2)
    world.monitoring.runner.run("default", "watch")
    world.monitors.delete("default", "watch", 2)
    with pytest.raises(MonitorNotFoundError):
        world.monitors.reports("default", "watch", PageQuery())
    create(world)
    assert reports(world) == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"detectors": ["drfit"]}, DetectorUnknownError),
        ({"endpoint": "nobody"}, EndpointNotFoundError),
        ({"minimum_rows": 500}, MonitorWindowInvalidError),
    ],
)
def test_a_monitor_that_could_never_work_is_refused(world, changes, error):
    with pytest.raises(error):
        create(world, **changes)


def test_old_reports_are_forgotten(world, monkeypatch):
    monkeypatch.setattr("modelyard.control.monitors.running._KEPT_REPORTS", 3)
    create(world)
    for _ in range(5):
        world.clock.sleep(timedelta(seconds=1).total_seconds())
        world.monitoring.runner.run("default", "watch")
    assert len(reports(world)) == 3
