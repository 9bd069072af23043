"""Sabotaged versions at the gate, with the real jobs: training, evaluation and replay as processes would run them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from modelyard.algorithms import run
from modelyard.algorithms.base import Channel
from modelyard.algorithms.jobfile import JOB_FILE, JobFile
from modelyard.algorithms.replay.requests import Request, write_requests
from modelyard.control.retraining.proof.gate import Margins, judge
from modelyard.control.retraining.proof.judgement import Judgement, joined
from modelyard.control.retraining.proof.replay import judge_replay
from modelyard.control.retraining.proof.signatures import breaks
from modelyard.runtimes.bundle import read_manifest
from modelyard.testing.loop import saboteur
from modelyard.testing.loop.concepts import AFTER, BEFORE, COLUMNS, TARGET, Table
from modelyard.testing.loop.sabotage import renew_golden, shuffled, slow_down, spoil_with_nan, wrong_in
from modelyard.testing.loop.sabotages import AT_THE_GATE, BEHIND_IT, Sabotage
from modelyard.testing.loop.workplace import tensors
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobRecipe
from modelyard.types.models import DataReference
from modelyard.types.retraining.rules import GateRules

ALGORITHM = "boosted-trees-classification"
ROWS = 1200


@dataclass
class Bench:
    """A running version of the old world, and rows of the new one to judge others on."""

    folder: Path
    running: Path
    old: Channel
    new: Channel
    requests: Channel

    def train(self, name: str, table: Table, columns: tuple[str, ...] = COLUMNS) -> Path:
        channel = channel_of(self.folder, f"{name}.csv", table.csv(columns))
        return train(self.folder, name, channel)

    def prove(self, candidate: Path, **rules: float) -> Judgement:
        """What the prover does, without a server around it."""
        signatures = [read_manifest(bundle).signature for bundle in (self.running, candidate)]
        broken = breaks(*signatures)
        if broken:
            return Judgement(candidate="m:2", approval="", refusals=tuple(broken))
        bundles = {"m:1": self.running, "m:2": candidate}
        measured = job(self.folder, "evaluation", {"old": self.old, "new": self.new}, bundles)
        replayed = job(self.folder, "replay", {"requests": self.requests}, bundles)
        margins, gate = Margins(gain=0.02, loss=1.0, labelled_rows=ROWS), GateRules(**rules)
        return joined(
            judge(measured, running="m:1", candidate="m:2", margins=margins, rules=gate),
            judge_replay(replayed, running="m:1", candidate="m:2", rules=gate),
        )


def channel_of(folder: Path, name: str, content: str = "") -> Channel:
    path = folder / name
    if content:
        path.write_text(content)
    kind = DatasetFormat.CSV if name.endswith(".csv") else DatasetFormat.PARQUET
    reference = DataReference(project="default", dataset="loop", number=1, digest="0" * 64)
    return Channel(path=path, format=kind, reference=reference)


def job(folder: Path, algorithm: str, channels: dict[str, Channel], candidates: dict[str, Path]) -> dict:
    place = folder / f"job-{algorithm}"
    place.mkdir(exist_ok=True)
    recipe = JobRecipe(algorithm=algorithm, target=TARGET, candidates=tuple(candidates))
    (place / JOB_FILE).write_bytes(JobFile(recipe=recipe, channels=channels, candidates=candidates).to_json())
    return run.run(place)


def train(folder: Path, name: str, channel: Channel) -> Path:
    place = folder / name
    place.mkdir()
    recipe = JobRecipe(algorithm=ALGORITHM, target=TARGET)
    (place / JOB_FILE).write_bytes(JobFile(recipe=recipe, channels={"train": channel}).to_json())
    run.run(place)
    return place / "output"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("bench")
    random = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setattr(os, "environ", dict(os.environ))  # a job sets thread limits for its own process
        old = channel_of(folder, "old.csv", BEFORE.draw(ROWS, random).csv())
        new = channel_of(folder, "new.csv", AFTER.draw(ROWS, random).csv())
        parts = [AFTER.draw(1 + n % 3, random) for n in range(150)]
        now = datetime(2026, 1, 1, tzinfo=UTC)
        write_requests(
            [Request(id=str(n), at=now, rows=len(part.labels), inputs=tensors(part)) for n, part in enumerate(parts)],
            folder / "requests.parquet",
        )
        running = train(folder, "running", old)
        yield Bench(folder, running, old, new, channel_of(folder, "requests.parquet"))


@pytest.fixture(scope="module")
def sound(bench: Bench) -> Path:
    return bench.train("sound", AFTER.draw(ROWS, np.random.default_rng(1)))


def test_a_sound_version_of_the_new_world_passes(bench: Bench, sound: Path):
    judgement = bench.prove(sound)
    assert judgement.is_passed, judgement.reason
    assert judgement.figures["gain_new"] > 0.2
    assert judgement.figures["replay_requests"] == 150


@pytest.mark.parametrize(
    ("name", "spoil", "columns", "said"),
    [
        ("shuffled", shuffled, COLUMNS, "it is not better by the required 0.02 on the new rows"),
        ("slice", lambda table, _: wrong_in(table, "north"), COLUMNS, "it is worse where region = 'north'"),
        (
            "signature",
            lambda table, _: table,
            ("x", "y", "region"),
            "its input 'numeric' is FP32 [-1, 2] instead of FP32 [-1, 3]",
        ),
    ],
)
def test_a_version_that_learnt_wrongly_is_refused_for_what_is_wrong_with_it(
    bench: Bench, name: str, spoil: Callable, columns: tuple[str, ...], said: str
):
    random = np.random.default_rng(2)
    judgement = bench.prove(bench.train(name, spoil(AFTER.draw(ROWS, random), random), columns))
    assert not judgement.is_passed
    assert said in judgement.reason


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("slow", lambda bundle: slow_down(bundle, 160), "times the time of m:1"),
        ("nan", lambda bundle: spoil_with_nan(bundle, "numeric", 2.0), "it answers NaN in 'probabilities'"),
    ],
)
def test_a_sound_version_that_was_tampered_with_is_refused_for_that_alone(
    bench: Bench, sound: Path, name: str, spoil: Callable, said: str
):
    bundle = bench.folder / name
    copytree(sound, bundle)
    spoil(bundle)
    renew_golden(bundle, tensors(AFTER.draw(50, np.random.default_rng(3))))
    judgement = bench.prove(bundle, slowdown_floor_ms=0.0)
    assert len(judgement.refusals) == 1
    assert said in judgement.reason


def sabotaged(bench: Bench, kind: str) -> Path:
    """The bundle of a training job that was sabotaged inside."""
    place = bench.folder / kind.replace(" ", "-")
    place.mkdir()
    channel = channel_of(bench.folder, f"{place.name}.csv", AFTER.draw(ROWS, np.random.default_rng(4)).csv())
    recipe = JobRecipe(algorithm=ALGORITHM, target=TARGET)
    (place / JOB_FILE).write_bytes(JobFile(recipe=recipe, channels={"train": channel}).to_json())
    assert saboteur.main(["--job", str(place), "--kind", kind]) == 0
    return place / "output"


@pytest.mark.parametrize("sabotage", AT_THE_GATE, ids=lambda each: each.kind)
def test_a_training_job_that_is_sabotaged_inside_ends_well_and_its_version_is_refused(bench: Bench, sabotage: Sabotage):
    judgement = bench.prove(sabotaged(bench, sabotage.kind), **dict(sabotage.gate))
    assert not judgement.is_passed
    assert any(words in judgement.reason for words in sabotage.named), judgement.reason


@pytest.mark.parametrize("sabotage", [each for each in BEHIND_IT if each.shows_later], ids=lambda each: each.kind)
def test_what_shows_only_later_passes_the_whole_gate(bench: Bench, sabotage: Sabotage):
    judgement = bench.prove(sabotaged(bench, sabotage.kind))
    assert judgement.is_passed, judgement.reason
