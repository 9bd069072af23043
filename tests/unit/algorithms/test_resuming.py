"""A training that was killed and begun again ends with the same bundle, byte for byte, as one that was not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelyard.algorithms import hyperparameters, run
from modelyard.algorithms.boosted_trees import BoostedTreesRegression
from modelyard.algorithms.checkpoints import Checkpoint, Checkpoints, Progress
from modelyard.algorithms.errors import HyperparameterInvalidError
from modelyard.algorithms.jobfile import JOB_FILE, JobFile, JobResult
from modelyard.algorithms.tables.boosted.schedule import read_schedule
from modelyard.kit.files import sha256_file
from modelyard.testing.programs import until

NEVER = -1


class PowerCut(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.fixture(scope="module")
def rows() -> str:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 4))
    lines = [",".join(f"{value:.4f}" for value in row) + f",{'no' if row[0] > 0 else 'yes'}" for row in x]
    return "\n".join(["c0,c1,c2,c3,word", *lines]) + "\n"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """`runs(folder, step)`: the steps that a job says, with as many checkpoints as can be, until it dies at `step`."""

    def run_until(folder: Path, dies_at: int = NEVER) -> list[int]:
        steps: list[int] = []

        def log_metric(_self: run.JobContext, name: str, _value: float, step: int) -> None:
            steps.append(step)
            if step == dies_at and not name.startswith("validation"):
                raise PowerCut

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint, "is_due", lambda checkpoint: checkpoint.has_place)
            patch.setattr(run.JobContext, "log_metric", log_metric)
            if dies_at == NEVER:
                JobResult(figures=run.run(folder)).write(folder / "result.json")
            else:
                with pytest.raises(PowerCut):
                    run.run(folder)
        return steps

    return run_until


@pytest.mark.parametrize(
    ("algorithm", "hyperparameters", "dies_at"),
    [
        ("boosted-trees-classification", {"rounds": 40, "early_stopping_rounds": 15}, (7, 25)),
        ("boosted-trees-classification", {"rounds": 70, "subsample": 0.7, "colsample_bytree": 0.6}, (55,)),
        ("image-classification", {"network": "mlp", "epochs": 6, "augmentation": "shift-noise"}, (2, 4)),
        ("image-classification", {"network": "mlp", "epochs": 6, "early_stopping": True}, (4,)),
    ],
    ids=["trees", "drawn trees", "network", "network that stops early"],
)
def test_a_training_that_is_killed_goes_on_to_the_same_bytes(
    workshop, digits, rows: str, runs, algorithm: str, hyperparameters: dict[str, object], dies_at: tuple[int, ...]
):
    is_table = algorithm.startswith("boosted")
    channel = workshop.csv(rows) if is_table else workshop.images(digits[0][:200], digits[1][:200])
    folders = []
    for name in ("whole", "killed"):
        target = "word" if is_table else None
        folder = workshop.write(
            algorithm, {"train": channel}, name=name, hyperparameters=hyperparameters, target=target, seed=3
        )
        file = JobFile.read(folder / JOB_FILE)
        (folder / "kept").mkdir()
        (folder / JOB_FILE).write_bytes(replace(file, checkpoints=folder / "kept").to_json())
        folders.append(folder)
    whole, killed = folders
    runs(whole)
    for step in dies_at:
        runs(killed, step)
    assert 1 not in runs(killed), "it began anew"
    for made in ("model.onnx", "manifest.json", "golden.json"):
        if (whole / "output" / made).exists():
            assert sha256_file(killed / "output" / made) == sha256_file(whole / "output" / made), made
    assert (whole / "output" / "model.onnx").exists()
    assert JobResult.read(killed / "result.json") == JobResult.read(whole / "result.json")


def test_a_checkpoint_is_of_one_training_alone_and_a_damaged_one_is_none(tmp_path: Path):
    checkpoints, data = Checkpoints(tmp_path, least_seconds=0), np.arange(4)
    progress = Progress(values={"random": 1 << 100}, arrays={"w": np.eye(2)})
    checkpoint = checkpoints.of({"depth": 3}, data)
    assert checkpoint.load() is None
    until(checkpoint.is_due, "a checkpoint is due")
    checkpoint.save(progress)
    found = checkpoints.of({"depth": 3}, data).load()
    assert found is not None
    assert found.values == progress.values
    assert found.arrays["w"].tolist() == [[1, 0], [0, 1]]
    for other in (checkpoints.of({"depth": 4}, data), checkpoints.of({"depth": 3}, data + 1)):
        assert other.load() is None
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for harmed in (b"", b"junk", content[:-30], content[:100] + b"?" + content[101:]):
        path.write_bytes(harmed)
        assert checkpoint.load() is None


def test_without_a_folder_nothing_is_kept():
    checkpoint = Checkpoints(None).of({}, np.arange(3))
    checkpoint.save(Progress(values={}, arrays={}))
    assert (checkpoint.load(), checkpoint.is_due()) == (None, False)


@pytest.mark.parametrize("patience", [0, 10])
def test_trees_go_on_with_other_hyperparameters_from_what_a_shorter_training_left(
    workshop, rows: str, runs, patience: int
):
    channel = workshop.csv(rows)
    first = {"from": 0, "learning_rate": 0.2}
    second = {"from": 30, "learning_rate": 0.05, "max_depth": 3, "subsample": 0.8}

    def training(name: str, rounds: int, *stages: dict[str, float], kept: Path) -> Path:
        given = {"rounds": rounds, "early_stopping_rounds": patience, "schedule": json.dumps(stages)}
        folder = workshop.write(
            "boosted-trees-classification", {"train": channel}, name=name, hyperparameters=given, target="word"
        )
        kept.mkdir(exist_ok=True)
        file = JobFile.read(folder / JOB_FILE)
        (folder / JOB_FILE).write_bytes(replace(file, checkpoints=kept).to_json())
        return folder

    kept = workshop.folder / "kept"
    runs(training("generation-0", 30, first, kept=kept))
    child = training("generation-1", 60, first, second, kept=kept)
    rounds = [step for step in runs(child) if step > 0]
    whole = training("whole", 60, first, second, kept=workshop.folder / "empty")
    runs(whole)
    assert min(rounds) == 31, "it began anew"
    assert sha256_file(child / "output" / "model.onnx") == sha256_file(whole / "output" / "model.onnx")
    if patience == 0:
        plain = training("plain", 60, first, kept=workshop.folder / "other")
        runs(plain)
        assert sha256_file(plain / "output" / "model.onnx") != sha256_file(whole / "output" / "model.onnx")


@pytest.mark.parametrize(
    "schedule",
    [
        "nonsense",
        '[{"from": 10, "rounds": 3}]',
        '[{"learning_rate": 0.1}]',
        '[{"from": 9}, {"from": 4}]',
        '[{"from": 9, "max_depth": 3.5}]',
        '[{"from": 9, "learning_rate": -1}]',
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(schedule: str):
    given = hyperparameters.complete(BoostedTreesRegression.description, {"schedule": schedule})
    with pytest.raises(HyperparameterInvalidError):
        read_schedule(given)
