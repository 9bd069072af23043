"""Pipelines on a whole platform: the tutorial's commands, and runs whose control process is killed again and again."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, kill, until
from modelyard.types.pipelines.runs import PipelineRun, RunStatus, StepStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # half a minute; the rest is for a busy machine
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "a-pipeline.md"
ROWS = "${steps.rows.outputs.dataset}"


def training(model: str, **inputs: object) -> dict[str, object]:
    given = {"algorithm": "linear-classification", "data": ROWS, "target": "target", "model": model, **inputs}
    return {"kind": "training", "inputs": given}


KILLED = {
    "name": "killed",
    "steps": {
        "rows": {"kind": "dataset", "inputs": {"dataset": "tumours"}},
        "left": training("left", seed=1),
        "right": training("right", seed=2),
        "judge": {
            "kind": "evaluation",
            "inputs": {
                "model": "${steps.left.outputs.model}",
                "baseline": "${steps.right.outputs.model}",
                "data": ROWS,
                "target": "target",
            },
        },
        "good": {"kind": "condition", "inputs": {"value": "${steps.judge.outputs.figures.accuracy}", "at_least": 0.8}},
        "champion": {
            "kind": "register",
            "inputs": {"version": "${steps.left.outputs.model}", "model": "best", "alias": "champion"},
            "when": ["good"],
        },
        "tell": {"kind": "notify", "inputs": {"message": "${steps.champion.outputs.model} is best"}},
    },
}


def test_the_tutorial_runs_and_a_run_outlives_kills_without_repeating_a_step(
    tmp_path: Path, programs: Callable[..., Program]
) -> None:
    platform = programs(tmp_path / "home", "modelyard.server.up")
    url = platform.start("--port", "0").ready()
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(), re.DOTALL))
    done = subprocess.run(
        ["sh", "-euc", commands],
        cwd=tmp_path,
        env=os.environ | {"MODELYARD_HOME": str(platform.home), "PATH": tools},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.sub(r"\s+", " ", done.stdout)
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
        check_kills(client, platform)
        check_triggers(client, tmp_path)
    assert platform.stop() == 0


def check_kills(client: Client, platform: Program) -> None:
    """SIGKILL to control while each of five steps has just begun or ended."""
    client.pipelines.create(KILLED)
    jobs_before = len([*client.jobs.list()])
    run = client.pipelines.run("killed")
    ended: dict[str, tuple[object, ...]] = {}
    for name in ("rows", "left", "judge", "champion", "tell"):
        until(lambda name=name: has_begun(client, run.id, name), f"{name} has begun")
        before = looked_at(client, run.id)
        ended |= {state.name: witness(state) for state in before.steps if state.status is StepStatus.COMPLETED}
        kill(platform.home, "modelyard.server.control")
    until(lambda: looked_at(client, run.id).status.is_final, "the run has ended")
    found = looked_at(client, run.id)
    assert (found.status, {state.status for state in found.steps}) == (RunStatus.COMPLETED, {StepStatus.COMPLETED})
    assert {state.name: witness(state) for state in found.steps if state.name in ended} == ended
    assert {state.attempt for state in found.steps} == {1}
    jobs = [*client.jobs.list()]
    assert len(jobs) - jobs_before == 3, "two trainings and an evaluation, none of them twice"
    assert [version.number for version in client.models.versions("best")] == [1]
    events = [event.kind for event in client.events.list(subject="pipeline/killed")]
    assert sorted(events) == ["pipeline_completed", "pipeline_notice"], "nothing was told twice"


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
    until(lambda: is_armed(client, folder), "the trigger has seen a new version")
    run = next(iter(client.pipelines.runs("fresh")))
    assert run.cause.startswith("There is a new version tumours:")
    assert run.is_triggered


def is_armed(client: Client, folder: Path) -> bool:
    """Another version each time: the first look of a trigger takes note of what is there."""
    with (folder / "fewer.csv").open("a") as file:
        file.write((folder / "tumours.csv").read_text().splitlines()[-1] + "\n")
    client.datasets.upload("tumours", folder / "fewer.csv")
    return next(iter(client.pipelines.runs("fresh")), None) is not None


def looked_at(client: Client, run: str) -> PipelineRun:
    found: list[PipelineRun] = []

    def look() -> bool:
        try:
            found.append(client.pipelines.describe(run))
        except ModelyardError:
            return False
        return True

    until(look, "control answers")
    return found[-1]


def has_begun(client: Client, run: str, name: str) -> bool:
    return any(state.name == name and state.attempt > 0 for state in looked_at(client, run).steps)


def witness(state: object) -> tuple[object, ...]:
    return (state.handle, state.outputs, state.started_at, state.ended_at)
