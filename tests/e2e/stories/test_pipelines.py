"""Pipelines on a whole platform: the tutorial's commands, and a run that new data start.

Kills of the control process are in tests/chaos/test_pipelines.py.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.sdk.client import Client
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program, until
from modelyard.types.pipelines.runs import RunStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # half a minute; the rest is for a busy machine
TUTORIAL = Guide("docs/tutorials/a-pipeline.md")


def test_the_tutorial_runs_and_a_new_version_of_its_data_starts_a_run(
    tmp_path: Path, programs: Callable[..., Program]
) -> None:
    platform = programs(tmp_path / "home", "modelyard.server.up")
    url = platform.start("--port", "0").ready()
    said = TUTORIAL.follow(tmp_path, platform.home, seconds=400)
    told = re.sub(r"\s+", " ", said)
    assert "It ran because hyperparameter max_depth changed from 3 to 4." in told
    assert "tumours-linear:1 is served" in told
    with Client(url, platform.token) as client:
        newest, first = client.pipelines.runs("tumours")
        until(lambda: client.pipelines.describe(newest.id).status.is_final, "the rejected run has ended")
        again = client.pipelines.describe(newest.id)
        assert {state.name: state.status.value for state in again.steps} == {
            "rows": "COMPLETED", "linear": "CACHED", "trees": "COMPLETED", "judge": "COMPLETED", "good": "COMPLETED",
            "ask": "FAILED", "champion": "SKIPPED", "serve": "SKIPPED", "tell": "SKIPPED",
        }  # fmt: skip
        assert client.pipelines.describe(first.id).status is RunStatus.COMPLETED
        check_triggers(client, tmp_path)
    assert platform.stop() == 0


def check_triggers(client: Client, folder: Path) -> None:
    """A new version of the dataset starts a run that knows it."""
    document = {
        "name": "fresh",
        "parameters": {"rows": {"type": "dataset", "default": "tumours"}},
        "steps": {"rows": {"kind": "dataset", "inputs": {"dataset": "${parameters.rows}"}}},
        "triggers": {"datasets": [{"dataset": "tumours", "parameter": "rows"}]},
    }
    client.pipelines.create(document)
    lines = (folder / "tumours.csv").read_text().splitlines()
    (folder / "fewer.csv").write_text("\n".join(lines[:400]) + "\n")
    until(lambda: has_started(client, folder), "the trigger has seen a new version")
    run = next(iter(client.pipelines.runs("fresh")))
    assert run.cause.startswith("There is a new version tumours:")
    assert run.is_triggered


def has_started(client: Client, folder: Path) -> bool:
    """Another version each time: the first look of a trigger takes note of what is there."""
    with (folder / "fewer.csv").open("a") as file:
        file.write((folder / "tumours.csv").read_text().splitlines()[-1] + "\n")
    client.datasets.upload("tumours", folder / "fewer.csv")
    return next(iter(client.pipelines.runs("fresh")), None) is not None
