"""A pipeline of the steps that other stories have not: rows are prepared by code, and a model of them is found."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.datasets import load_wine

from modelyard.sdk.client import Client
from modelyard.testing.programs import Program
from modelyard.types.pipelines.runs import RunStatus, StepStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a minute; the rest is for a busy machine
SPLIT = """
import os
from pathlib import Path

head, *rows = next(Path(os.environ["MODELYARD_CHANNEL_RAW"]).iterdir()).read_text().splitlines()
for name, part in (("TRAIN", rows[::2]), ("TEST", rows[1::2])):
    Path(os.environ[f"MODELYARD_OUTPUT_{name}"], "rows.csv").write_text("\\n".join([head, *part]) + "\\n")
"""
STEPS = {
    "halve": {
        "kind": "processing",
        "inputs": {"code": "./halve.py", "data": {"raw": "wines"}, "outputs": {"train": "half", "test": "other"}},
    },
    "search": {
        "kind": "automl",
        "inputs": {
            "data": "${steps.halve.outputs.datasets.train}",
            "target": "target",
            "model": "wines",
            "budget_seconds": 300,
            "max_candidates": 2,
        },
    },
    "judge": {
        "kind": "evaluation",
        "inputs": {
            "model": "${steps.search.outputs.model}",
            "data": "${steps.halve.outputs.datasets.test}",
            "target": "target",
        },
    },
}


def test_rows_are_halved_a_model_of_one_half_is_found_and_judged_on_the_other(
    tmp_path: Path, programs: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = load_wine(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "barolo", 1: "grignolino", 2: "barbera"})
    frame.to_csv("wines.csv", index=False)
    Path("halve.py").write_text(SPLIT)
    platform = programs(tmp_path / "home", "modelyard.server.up")
    url = platform.start("--port", "0").ready()
    with Client(url, platform.token) as client:
        client.projects.allow_code("default", "our own preparation of data")
        client.datasets.upload("wines", "wines.csv")
        client.pipelines.create({"name": "wines", "steps": STEPS})
        run = client.pipelines.run("wines", wait=True)
        assert run.status is RunStatus.COMPLETED, [(state.name, state.message) for state in run.steps]
        outputs = {state.name: state.outputs for state in run.steps}
        assert outputs["halve"]["datasets"] == {"train": "half:1", "test": "other:1"}
        assert outputs["search"]["model"] == "wines:1"
        assert outputs["judge"]["figures"]["accuracy"] > 0.8
        again = client.pipelines.run("wines", wait=True)
        assert {state.status for state in again.steps} == {StepStatus.CACHED}
    assert platform.stop() == 0
