"""Rules, profiles and tuned scripts on a whole platform: the how-to's commands, and what they leave."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from modelyard.sdk.client import Client
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program, until
from modelyard.types.jobs import Job, JobKind, JobStatus
from modelyard.types.processes import EndCause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a minute; the rest is for a busy machine
GUIDE = Guide("docs/how-to/debug-a-training.md")


def test_the_commands_of_the_guide_find_stop_profile_and_tune(tmp_path: Path):
    platform = Program(tmp_path / "home", "modelyard.server.up")
    try:
        url = platform.start("--port", "0").ready()
        said = GUIDE.follow(tmp_path, platform.home, seconds=840)
        with Client(url, platform.token) as client:
            tuned, profiled, stopped = newest_scripts(client)
            check_stopped(client, stopped, said)
            check_profile(client, profiled, tmp_path / "profile.svg")
            check_tuned(client, tuned)
        assert platform.stop() == 0
    finally:
        platform.end()


def newest_scripts(client: Client) -> tuple[Job, Job, Job]:
    """The best trial of the search, and the two script jobs before it."""
    profiled, stopped = client.jobs.list(kind=JobKind.SCRIPT)
    (search,) = client.tuning.list()
    return client.jobs.get(search.result["job"]), profiled, stopped


def check_stopped(client: Client, job: Job, said: str) -> None:
    assert (job.status, job.end.cause) == (JobStatus.STOPPED, EndCause.STOPPED)
    assert job.end.message.startswith("The rule 'overfitting' stopped it. val_loss was best at step")
    assert job.end.message in re.sub(r"\s+", " ", said)
    assert job.metrics.keys() == {"train_loss", "val_loss"}
    until(lambda: [*client.events.list(subject=f"job/{job.id}")], "the finding is an event")
    (event,) = [each for each in client.events.list(subject=f"job/{job.id}") if each.kind == "finding_overfitting"]
    assert (event.message, event.details["action"]) == (job.findings[-1].message, "stop")


def check_profile(client: Client, job: Job, picture: Path) -> None:
    assert (job.status, job.findings) == (JobStatus.COMPLETED, ()), "nothing is found on a training that goes well"
    profile = client.jobs.profile(job.id)
    assert profile.cpu_seconds > 0.5
    assert profile.max_memory_bytes > 30 << 20
    assert profile.step_metric == "train_loss"
    assert profile.verdicts
    assert ET.parse(picture).getroot().tag.endswith("svg")


def check_tuned(client: Client, trial: Job) -> None:
    """The second version of the model is what the best trial has left."""
    assert (trial.kind, trial.result["model_version"]) == (JobKind.TRIAL, "digits:2")
    version = client.models.get("digits:2")
    assert version.lineage.job == trial.id
    (search,) = client.tuning.list()
    assert search.best.values["val_loss"] == trial.metrics["val_loss"]
    kept = [file.digest for file in client.jobs.output(trial.id) if file.path == "model/network.skops"]
    assert len(kept) == 1
