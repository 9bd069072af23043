"""A short chaos run; `make chaos` is the long one."""

import pytest

from modelyard.testing.chaos.run import run


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_and_no_status_lies_under_twenty_kills(tmp_path):
    outcome = run(tmp_path / "home", kills=20, limit_seconds=180, seed=2)
    assert not outcome.faults, outcome
    assert outcome.kills.total() >= 20
    assert {"control", "gateway"} <= set(outcome.kills)
