"""AutoML on a whole platform: the tutorial's commands, killed control and job processes, a winner that serves."""

import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest
import scipy.ndimage
import scipy.signal
import scipy.stats
from pandas import DataFrame
from sklearn.datasets import load_wine

from modelyard.errors import ModelyardError
from modelyard.kit.files import sha256_file
from modelyard.sdk.client import Client
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program, kill, processes_of, until
from modelyard.types.automl.reports import AutoMLReport
from modelyard.types.jobs import JobStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # more than all that they wait for
GUIDE = Guide("docs/tutorials/automl.md")
BUDGET = 150


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("automl") / "home", "modelyard.server.up")
    try:
        program.start("--port", "0")
        yield program
    finally:
        program.end()


def test_the_commands_of_the_tutorial_run_and_the_program_makes_the_same_model(
    tmp_path: Path, platform: Program
) -> None:
    url = platform.ready()
    said = GUIDE.follow(tmp_path, platform.home, seconds=500, instead={"--seconds 60": f"--seconds {BUDGET}"})
    assert "Registered progression:1" in said
    with Client(url, platform.token) as client:
        version = client.models.get("progression:1")
        artifact = next(each for each in version.files if each.path == "model.onnx")
        assert sha256_file(tmp_path / "again" / "output" / "model.onnx") == artifact.digest
        assert "train.py" in {each.path for each in version.files}
        job = client.jobs.get(version.lineage.job)
        spent = (job.ended_at - job.started_at).total_seconds()
        report = client.automl.report(job.id)
        assert report.leaderboard()[0].score < report.feasibility.guess
        assert spent <= 1.1 * BUDGET, report.spent_seconds
        assert any(line.name == job.id for line in client.costs.list(by="job")), "it costs like any job"


def test_a_search_outlives_its_control_process_and_its_own_and_the_winner_answers(
    tmp_path: Path, platform: Program
) -> None:
    url = platform.ready()
    frame = load_wine(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "barolo", 1: "grignolino", 2: "barbera"})
    frame.to_csv(tmp_path / "wine.csv", index=False)
    with Client(url, platform.token) as client:
        client.datasets.upload("wine", tmp_path / "wine.csv")
        job = client.automl.start("wine", target="target", model="wine", budget_seconds=500, max_candidates=12)
        until(lambda: tried(client, job.id) >= 2, "two candidates were tried", seconds=200)
        kill(platform.home, "modelyard.server.control")
        until(lambda: tried(client, job.id) >= 4, "it went on, and control sees it", seconds=200)
        before = client.automl.report(job.id).candidates
        command = f"{sys.executable} -m modelyard.algorithms.run"
        os.kill(min(pid for pid, words in processes_of(platform.home).items() if words.startswith(command)), SIGKILL)
        done = client.jobs.wait(job.id, timeout_seconds=500)
        assert (done.status, done.attempt) == (JobStatus.COMPLETED, 2)
        report = client.automl.report(job.id)
        assert report.candidates[: len(before)] == before, "nothing was tried twice"
        assert len([each for each in report.candidates if each.source != "ensemble"]) == 12
        client.endpoints.deploy("wine", done.result["model_version"], wait=True)
        rows = frame.drop(columns="target").to_dict("records")
        answers = [client.predict("wine", rows[number]).labels[0] for number in (0, 80, 170)]
        assert answers == ["barolo", "grignolino", "barbera"]


def test_a_classifier_of_texts_is_found_and_answers_at_an_endpoint(tmp_path: Path, platform: Program) -> None:
    url = platform.ready()
    rows = [
        {"sentence": " ".join((inspect.getdoc(getattr(module, name)) or "").split("\n\n")[0].split()), "part": part}
        for part, module in (("signal", scipy.signal), ("stats", scipy.stats), ("images", scipy.ndimage))
        for name in sorted(module.__all__)
        if inspect.isroutine(getattr(module, name))
    ]
    DataFrame(rows).to_csv(tmp_path / "sentences.csv", index=False)
    with Client(url, platform.token) as client:
        client.datasets.upload("sentences", tmp_path / "sentences.csv")
        job = client.automl.start(
            "sentences",
            target="part",
            model="parts",
            task="text-classification",
            budget_seconds=300,
            max_candidates=4,
            wait=True,
        )
        report = client.automl.report(job.id)
        assert report.task == "text-classification"
        assert report.leaderboard()[0].score < report.feasibility.guess
        assert client.models.get("parts:1").manifest.card.task == "text-classification"
        client.endpoints.deploy("parts", "parts:1", wait=True)
        answer = client.predict("parts", {"sentence": "Multidimensional Gaussian filter of an image."})
        assert answer.labels == ["images"]


def tried(client: Client, job: str) -> int:
    try:
        found: AutoMLReport = client.automl.report(job)
    except ModelyardError:
        return 0
    return len(found.candidates)
