import pytest

from modelyard.testing.soak.run import soak


@pytest.mark.slow
def test_under_load_and_disturbance_no_answer_is_lost_or_mixed_and_nothing_grows(tmp_path):
    said: list[str] = []
    outcome = soak(tmp_path, seconds=20, connections=16, seed=20, say=said.append)
    counts = outcome.ledger.counts
    assert not outcome.faults, (outcome.faults, counts)
    assert counts["answers checked"] > 500
    assert counts["streams checked"] > 30
    assert sum(count for name, count in counts.items() if name.startswith("disturbances")) >= 2
    assert counts["junk requests refused"] > 10
    assert counts["left by their client"] > 10
