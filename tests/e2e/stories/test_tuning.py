"""Tuning on a whole platform: the how-to's commands, and a search whose control process is killed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program, kill, until
from modelyard.types.jobs import JobKind, JobStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a minute or two; the rest is for a busy machine
GUIDE = Guide("docs/how-to/tune-hyperparameters.md")
SPACE = {"regularisation": {"low": 0.001, "high": 100, "log": True}}


def test_the_commands_of_the_guide_run_and_a_search_outlives_its_control_process(
    tmp_path: Path, programs: Callable[..., Program]
) -> None:
    platform = programs(tmp_path / "home", "modelyard.server.up")
    url = platform.start("--port", "0").ready()
    said = GUIDE.follow(tmp_path, platform.home, seconds=400)
    assert "Registered cancer:1" in said
    with Client(url, platform.token) as client:
        tuning = client.tuning.start("linear-classification", "cancer", SPACE, target="target", max_trials=4)
        until(lambda: client.tuning.get(tuning.id).counts.get("RUNNING", 0) == 2, "two trials run")
        kill(platform.home, "modelyard.server.control")
        until(lambda: is_answered(client, tuning.id), "the control process is back")
        done = client.tuning.wait(tuning.id, timeout_seconds=300)
        assert (done.status, done.counts) == (JobStatus.COMPLETED, {"COMPLETED": 4})
        trials = [trial.job for trial in client.tuning.trials(tuning.id)]
        known = [job.id for job in client.jobs.list(kind=JobKind.TRIAL)]
        assert (len(known), len(set(trials))) == (4 + 4, 4), "nothing was tried twice"
        best = client.jobs.get(trials[done.best.number])
        assert best.result["accuracy"] == done.best.values["accuracy"] > 0.9
    assert platform.stop() == 0


def is_answered(client: Client, tuning: str) -> bool:
    try:
        return client.tuning.get(tuning) is not None
    except ModelyardError:
        return False
