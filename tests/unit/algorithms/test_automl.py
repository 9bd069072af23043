"""A whole AutoML job as the process that it is: killed, begun again, and its winner trained anew by its script."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from sklearn.datasets import load_iris

from modelyard.algorithms.automl.checkpoint import Checkpoint
from modelyard.algorithms.jobfile import JOB_FILE, JobFile, JobResult
from modelyard.kit.files import sha256_file
from modelyard.runtimes.bundle import load_bundle, read_golden
from modelyard.runtimes.golden import mismatches
from modelyard.testing.programs import until
from modelyard.types.automl.recipes import AutoMLRecipe, CandidateSource
from modelyard.types.automl.reports import AutoMLReport, Outlook

pytestmark = pytest.mark.slow
CANDIDATES = 5


@pytest.fixture
def iris(workshop):
    frame = load_iris(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "setosa", 1: "versicolor", 2: "virginica"})
    return workshop.csv(frame.to_csv(index=False), name="iris.csv")


def process(folder, **more):
    command = [sys.executable, "-m", "modelyard.algorithms.run", "--job", str(folder)]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, **more)


def job(workshop, channel, **recipe):
    channel = replace(channel, reference=replace(channel.reference, digest=sha256_file(channel.path)))
    folder = workshop.write("automl", {"train": channel}, target="target", automl=AutoMLRecipe(**recipe))
    file = JobFile.read(folder / JOB_FILE)
    (folder / JOB_FILE).write_bytes(replace(file, checkpoints=folder / "kept").to_json())
    return folder, lambda: Checkpoint(folder / "kept").report()


def test_a_killed_search_goes_on_and_its_winner_is_made_again_to_the_byte_by_its_script(workshop, iris, tmp_path):
    folder, report = job(workshop, iris, budget_seconds=400, max_candidates=CANDIDATES, source=CandidateSource.BUILT_IN)
    first = process(folder)
    until(lambda: len(report().candidates) >= 3, "three candidates were tried", seconds=120)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = report()
    assert process(folder).wait() == 0
    after: AutoMLReport = report()
    assert after.candidates[: len(before.candidates)] == before.candidates, "nothing was tried twice"
    tried = [each for each in after.candidates if each.source != "ensemble"]
    assert [each.number for each in tried] == [*range(CANDIDATES)]
    assert after.spent_seconds > before.spent_seconds
    assert (after.profile.rows, after.feasibility.outlook) == (150, Outlook.GOOD)
    assert after.feasibility.quick < after.feasibility.guess, "a loss"
    board = after.leaderboard()
    assert [each.score for each in board] == sorted(each.score for each in board)
    assert all(each.latency_ms > 0 and len(each.folds) == 15 for each in board)
    assert after.winner == board[0].number

    manifest, predictor = load_bundle(folder / "output")
    assert mismatches(read_golden(folder / "output"), predictor.predict) == []
    assert manifest.card.algorithm == board[0].algorithm
    assert after.holdout["accuracy"] > 0.85
    figures = JobResult.read(folder / "result.json").figures
    assert (figures["winner"], figures["candidates"]) == (board[0].algorithm, float(len(after.candidates)))

    (tmp_path / "winner.py").write_text(after.script)
    again = tmp_path / "again"
    subprocess.run([sys.executable, str(tmp_path / "winner.py"), str(iris.path), str(again)], check=True)
    assert sha256_file(again / "output" / "model.onnx") == sha256_file(folder / "output" / "model.onnx")
    assert (folder / "output" / "train.py").read_text() == after.script


def test_an_estimate_makes_no_model(workshop, iris):
    folder, report = job(workshop, iris, budget_seconds=400, is_estimate=True)
    assert process(folder).wait() == 0
    assert JobResult.read(folder / "result.json").figures["outlook"] == "good"
    assert (report().winner, [*(folder / "output").iterdir()]) == (None, [])


def test_a_search_whose_time_is_over_before_it_begins_gives_the_quickest_model(workshop, iris):
    folder, report = job(workshop, iris, budget_seconds=0.5)
    assert process(folder).wait() == 0
    (tried,) = report().candidates
    assert (tried.number, tried.status, tried.score, report().winner) == (0, "overdue", None, 0)
    figures = JobResult.read(folder / "result.json").figures
    assert figures["winner"] == tried.algorithm
    assert "cross_validated/log_loss" not in figures, "nothing is claimed that was not measured"
    assert report().holdout["accuracy"] > 0.7
    manifest, predictor = load_bundle(folder / "output")
    assert manifest.card.algorithm == tried.algorithm
    assert mismatches(read_golden(folder / "output"), predictor.predict) == []
