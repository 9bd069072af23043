"""Runs of pipelines whose control process is killed again and again: no step is repeated, nothing is told twice."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, kill, until
from modelyard.types.pipelines.runs import PipelineRun, RunStatus, StepState, StepStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # half a minute; the rest is for a busy machine
ROWS = "${steps.rows.outputs.dataset}"


def training(model: str, **inputs: object) -> dict[str, object]:
    given = {"algorithm": "linear-classification", "data": ROWS, "target": "target", "model": model, **inputs}
    return {"kind": "training", "inputs": given}


PIPELINE = {
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


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.delenv("MODELYARD_HOME", raising=False)
    program = Program(tmp_path / "home", "modelyard.server.up")
    yield program
    program.end()


def test_a_run_outlives_a_kill_at_every_step_and_repeats_none(platform: Program, tmp_path: Path) -> None:
    url = platform.start("--port", "0").ready()
    with Client(url, platform.token) as client:
        client.datasets.upload("tumours", tumours(tmp_path / "tumours.csv"))
        client.pipelines.create(PIPELINE)
        run = client.pipelines.run("killed")
        ended: dict[str, tuple[object, ...]] = {}
        for name in ("rows", "left", "judge", "champion", "tell"):
            until(lambda name=name: has_begun(client, run.id, name), f"{name} has begun")
            ended |= {state.name: witness(state) for state in steps_of(client, run.id, StepStatus.COMPLETED)}
            kill(platform.home, "modelyard.server.control")
        until(lambda: looked_at(client, run.id).status.is_final, "the run has ended")
        found = looked_at(client, run.id)
        assert (found.status, {state.status for state in found.steps}) == (RunStatus.COMPLETED, {StepStatus.COMPLETED})
        assert {state.attempt for state in found.steps} == {1}
        assert len(ended) > 3, "there were finished steps that could have been repeated"
        assert {state.name: witness(state) for state in found.steps if state.name in ended} == ended
        assert len([*client.jobs.list()]) == 3, "two trainings and an evaluation, none of them twice"
        assert [version.number for version in client.models.versions("best")] == [1]
        events = [event.kind for event in client.events.list(subject="pipeline/killed")]
        assert sorted(events) == ["pipeline_completed", "pipeline_notice"], "nothing was told twice"
    assert platform.stop() == 0


def tumours(path: Path) -> Path:
    """569 measured tumours, which come with scikit-learn."""
    data = load_breast_cancer()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "target"])
        writer.writerows([*row, label] for row, label in zip(data.data, data.target_names[data.target], strict=True))
    return path


def looked_at(client: Client, run: str) -> PipelineRun:
    """The run, also while control starts again."""
    found: list[PipelineRun] = []

    def look() -> bool:
        try:
            found.append(client.pipelines.describe(run))
        except ModelyardError:
            return False
        return True

    until(look, "control answers")
    return found[-1]


def steps_of(client: Client, run: str, status: StepStatus) -> list[StepState]:
    return [state for state in looked_at(client, run).steps if state.status is status]


def has_begun(client: Client, run: str, name: str) -> bool:
    return any(state.name == name and state.attempt > 0 for state in looked_at(client, run).steps)


def witness(state: StepState) -> tuple[object, ...]:
    return (state.handle, state.outputs, state.started_at, state.ended_at)
