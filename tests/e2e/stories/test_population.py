"""Population based training on a whole platform: scripts and trees whose trials go on from each other."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.sdk.client import Client
from modelyard.testing.programs import Program
from modelyard.types.jobs import JobStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a minute or two; the rest is for a busy machine
SCRIPT = """
import argparse, json, os
from pathlib import Path
import modelyard

options = argparse.ArgumentParser()
options.add_argument("--rate", type=float)
rate = options.parse_args().rate
place = Path(os.environ["MODELYARD_CHECKPOINTS"]) / "state.json"
state = json.loads(place.read_text()) if place.exists() else {"epoch": 0, "x": 8.0, "rates": []}
while state["epoch"] < 10 * (int(os.environ["MODELYARD_GENERATION"]) + 1):
    state["x"] -= rate * state["x"]
    state["epoch"] += 1
    modelyard.log_metric("loss", abs(state["x"]), step=state["epoch"])
state["rates"].append(rate)
place.write_text(json.dumps(state))
Path(os.environ["MODELYARD_OUTPUT"], "state.json").write_text(json.dumps(state))
"""


def test_a_population_of_scripts_and_one_of_trees(tmp_path: Path, programs: Callable[..., Program]) -> None:
    platform = programs(tmp_path / "home", "modelyard.server.up")
    url = platform.start("--port", "0").ready()
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    with Client(url, platform.token) as client:
        client.projects.allow_code("default", reason="tests")
        tuning = client.tuning.start_script(
            script,
            {"rate": {"low": 0.001, "high": 0.9, "log": True}},
            objectives=["loss"],
            strategy="pbt",
            population=3,
            max_trials=9,
            parallel_trials=2,
            kept_trials=1,
        )
        done = client.tuning.wait(tuning.id, timeout_seconds=400)
        trials = {trial.number: trial for trial in client.tuning.trials(tuning.id)}
        assert done.counts == {"COMPLETED": 9}
        best = trials[done.best.number]
        (kept,) = [trial.number for trial in trials.values() if trial.has_files]
        assert kept == best.number
        client.jobs.download(best.job, tmp_path / "best")
        state = json.loads((tmp_path / "best" / "output" / "state.json").read_text())
        rates = [trials[number].hyperparameters["rate"] for number in line(trials, best.number)]
        assert (state["epoch"], state["rates"]) == (10 * len(rates), rates), "each began where its parent ended"
        (tmp_path / "trees.csv").write_text(
            "x,y\n" + "".join(f"{number % 97},{(number % 97) ** 2}\n" for number in range(400))
        )
        client.datasets.upload("trees", tmp_path / "trees.csv")
        tuning = client.tuning.start(
            "boosted-trees-regression",
            "trees",
            {"learning_rate": {"low": 0.01, "high": 0.5, "log": True}},
            target="y",
            model="trees",
            hyperparameters={"rounds": 60},
            strategy="pbt",
            population=2,
            max_trials=4,
        )
        done = client.tuning.wait(tuning.id, timeout_seconds=400)
        assert (done.status, done.result["model_version"]) == (JobStatus.COMPLETED, "trees:1")
        children = [trial for trial in client.tuning.trials(tuning.id) if trial.parent is not None]
        assert len(children) == 2
        for child in children:
            assert "going on after round 30, from a checkpoint" in "\n".join(client.jobs.logs(child.job))
    assert platform.stop() == 0
    left = [path for path in (platform.home / "objects").rglob("*") if "checkpoints" in path.parts and path.is_file()]
    assert left == [], "forgotten with the search"


def line(trials: dict, number: int) -> list[int]:
    found = [number]
    while trials[found[-1]].parent is not None:
        found.append(trials[found[-1]].parent)
    return found[::-1]
