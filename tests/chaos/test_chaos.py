"""A short chaos run, and the proof that its checks can fail; `make chaos` is the long run."""

import pytest

from modelyard.testing.chaos.checks import Checks
from modelyard.testing.chaos.ledger import Ledger
from modelyard.testing.chaos.platform import Platform
from modelyard.testing.chaos.run import run, wait_ready
from modelyard.testing.engine import until
from modelyard.types.processes import ProcessSpec


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_nothing_acknowledged_is_lost_and_no_status_lies_under_twenty_kills(tmp_path):
    outcome = run(tmp_path / "home", kills=20, limit_seconds=700, seed=2)
    assert not outcome.faults, outcome
    assert outcome.kills.total() >= 20, outcome
    assert outcome.counts["predictions answered"]
    assert outcome.counts["model versions"]


@pytest.mark.slow
def test_the_checks_notice_what_is_lost_and_what_lives_without_a_record(tmp_path):
    platform, ledger = Platform(tmp_path / "home"), Ledger()
    checks = Checks(platform, ledger)
    work = tmp_path / "work"
    work.mkdir()
    try:
        wait_ready(platform, checks)
        checks.after_restart()
        checks.everything()
        assert not ledger.faults
        ledger.acknowledge_dataset("numbers", 1, "0" * 64)
        ledger.acknowledge_version("model", 1, "0" * 64)
        ledger.acknowledge_job("job-1")
        labels = {"job": "job-2"}
        spec = ProcessSpec(command=("sleep", "600"), work_directory=str(work), labels=labels)
        platform.engine().submit("job-2-1", spec)
        assert any("job-2-1" in sentence for sentence in checks.process_without_record())
        until(lambda: not checks.process_without_record())  # control's reaper has ended it
        checks.everything()
    finally:
        checks.close()
        platform.end_everything()
    words = "\n".join(ledger.faults)
    for expected in ("dataset numbers:1 is lost", "model:1 is lost", "job job-1 is lost"):
        assert expected in words
