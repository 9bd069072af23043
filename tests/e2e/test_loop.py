"""One scenario of `make loop` as it is: the world changes at once, and nobody is there but the platform."""

from pathlib import Path

import pytest

from modelyard.testing.loop.run import faults, run, scenario_table
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
