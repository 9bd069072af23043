"""A part of `make loop` as it is: nobody is there but the platform, and an application that must not notice."""

from pathlib import Path

import pytest

from modelyard.testing.loop.concepts import AFTER
from modelyard.testing.loop.proving import Act
from modelyard.testing.loop.run import faults, proof_table, run, scenario_table
from modelyard.testing.loop.sabotages import BEHIND_IT
from modelyard.testing.loop.scenarios import SCENARIOS
from modelyard.types.monitoring import RetrainingStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # half a minute; the rest is for a busy machine


def test_after_a_sudden_drift_the_platform_is_as_good_as_an_oracle_again_and_no_caller_noticed(tmp_path: Path):
    (outcome,), _ = run(tmp_path / "home", scenarios=SCENARIOS[:1], acts=())
    assert not faults([outcome], [])
    assert outcome.under_drift < 0.7 < outcome.before
    assert outcome.requests > 300
    promoted = [each for each in outcome.runs if each.status is RetrainingStatus.PROMOTED]
    assert promoted
    assert "x rose from" in promoted[-1].cause
    assert "sudden " in scenario_table([outcome])


def test_a_version_that_passed_the_gate_and_fails_on_live_requests_goes_back_before_it_has_answered_one(tmp_path: Path):
    tried = tuple(each for each in BEHIND_IT if each.kind == "fails on a region that comes later")
    act = Act(name="rollout", serving=AFTER, tried=tried)
    _, (report,) = run(tmp_path / "home", scenarios=(), acts=(act,), repeats=1)
    assert not faults([], [report])
    (verdict,) = report.verdicts
    assert (verdict.stopped_at, verdict.answered, verdict.failed) == ("copies", 0, 0)
    assert "fails on a region that comes later" in proof_table(report)
