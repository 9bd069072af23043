"""The durable workflows, on the real engine: due work is started once and carried to its end."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.control.durable import Durable
from modelyard.control.monitors.schemas import MonitorCreate
from modelyard.control.monitors.workflows import MonitorWorkflow
from modelyard.control.rest.pages import PageQuery
from modelyard.control.retraining.schemas import PolicyCreate
from modelyard.control.retraining.workflows import RetrainingWorkflow
from modelyard.types.monitoring import RetrainingStatus, Verdict

PATIENCE_SECONDS = 30


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Durable]:
    durable = Durable(f"sqlite:///{tmp_path}/workflows.db")
    yield durable
    durable.close()


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def test_a_due_check_and_the_run_that_it_causes_are_carried_to_their_end(world, durable: Durable):
    watch = MonitorWorkflow(world.monitoring.runner)
    again = RetrainingWorkflow(world.retraining, world.execution)
    durable.launch()
    monitor = MonitorCreate(name="watch", endpoint="points", minimum_rows=50, window_rows=100, interval_seconds=60)
    world.monitors.create("default", monitor, None)
    world.policies.create(
        "default", PolicyCreate(name="again", endpoint="points", monitor="watch", minimum_new_labels=50), None
    )
    world.jobs.judgement = {
        f"{channel}/points:{number}/accuracy": value
        for channel, number, value in [("old", 1, 0.97), ("old", 2, 0.97), ("new", 1, 0.6), ("new", 2, 0.95)]
    } | {
        f"{channel}/paired/{name}": value
        for channel, rows, gained in [("old", 200.0, 0.0), ("new", 20.0, 7.0)]
        for name, value in [("rows", rows), ("gained", gained), ("lost", 0.0)]
    }
    assert (watch.sweep(), again.sweep()) == (0, 0)
    world.label(world.traffic(100, shift=2.0))

    def reports():
        return world.monitors.reports("default", "watch", PageQuery()).items

    def runs():
        return world.policies.runs("default", "again", PageQuery()).items

    assert watch.sweep() == 1
    assert watch.sweep() == 0
    until(reports)
    assert [report.verdict for report in reports()] == [Verdict.DRIFT]

    assert again.sweep() == 1
    assert again.sweep() == 0
    until(lambda: runs()[0].status.is_final)
    assert [(run.status, run.new_version) for run in runs()] == [(RetrainingStatus.PROMOTED, "points:2")]
    assert world.event_kinds() == ["drift_found", "retraining_started", "retraining_promoted"]
