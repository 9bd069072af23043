"""The replay job on real bundles: what it says of versions that are spoilt in one way each."""

from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from modelyard.algorithms.errors import ChannelInvalidError
from modelyard.algorithms.replay.answers import Answers
from modelyard.algorithms.replay.requests import Request, read_requests, write_requests
from modelyard.data.errors import DatasetInvalidError
from modelyard.errors import InvalidInputError
from modelyard.runtimes.bundle import COMPILATION, read_golden, write_golden
from modelyard.testing.loop.sabotage import slow_down, spoil_with_nan
from modelyard.types.datasets import DatasetFormat

MLP = {"network": "mlp", "epochs": 6}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def requests_of(images, count=120):
    return [
        Request(id=f"inf-{n}", at=NOW, rows=len(part), inputs={"images": part})
        for n in range(count)
        for part in [images[n : n + 1 + n % 3]]
    ]


@pytest.fixture
def bundle(workshop, digits):
    images, labels = digits
    return workshop.train("image-classification", workshop.images(images[:900], labels[:900]), hyperparameters=MLP)[0]


@pytest.fixture
def replayed(workshop, digits, bundle):
    """`replayed(folder)`: figures of a candidate beside the bundle."""
    path = workshop.folder / "requests.parquet"
    write_requests(requests_of(digits[0][900:]), path)
    channel = workshop.channel("requests.parquet", DatasetFormat.PARQUET)

    def replay(candidate: Path):
        from modelyard.algorithms import run

        folders = {"digits:1": bundle, "digits:2": candidate}
        return run.run(workshop.write("replay", {"requests": channel}, name="replay", candidates=folders))

    return replay


def copy_of(bundle: Path, name: str) -> Path:
    folder = bundle.parent.parent / name
    copytree(bundle, folder)
    return folder


def test_a_version_replayed_against_itself_changes_nothing(bundle, replayed):
    found = replayed(bundle)
    assert (found["requests"], found["rows"]) == (120, 240)
    quiet = ("golden/failed", "errors/running", "errors/new", "nan/new", "changed/share", "shift")
    assert [found[name] for name in quiet] == [0.0] * 6
    assert 0.3 < found["time/single/candidate"] / found["time/single/running"] < 3
    assert found["time/captured/running"] > 0
    assert found["memory/candidate"] >= 0


def test_nan_where_the_running_version_has_none_is_counted_by_request(bundle, replayed):
    spoilt = copy_of(bundle, "nan")
    spoil_with_nan(spoilt, "images", above=15.5)
    found = replayed(spoilt)
    assert 0 < found["nan/new"] < 120
    assert found["nan/output"] == "probabilities"
    assert found["changed/share"] == 0


def test_a_slow_version_is_timed_beside_the_running_one(bundle, replayed):
    slow = copy_of(bundle, "slow")
    slow_down(slow, 700)
    found = replayed(slow)
    assert found["time/single/candidate"] > 3 * found["time/single/running"]
    assert found["time/captured/candidate"] > 3 * found["time/captured/running"]
    assert found["changed/share"] == 0


def test_answers_that_changed_are_listed_by_slice(workshop, digits, replayed):
    images, labels = digits
    other, _ = workshop.train(
        "image-classification",
        workshop.images(images[:900], (labels[:900] + (labels[:900] == 3)), "other.npz"),
        name="other",
        hyperparameters=MLP,
    )
    found = replayed(other)
    assert found["changed/share"] > 0.03
    assert found["shift"] > 0.03
    assert found["changed/1/name"].startswith("image.")
    assert found["changed/1/share"] >= found["changed/2/share"] >= found["changed/share"]


def test_a_candidate_that_fails_its_golden_requests_or_does_not_load_says_so(bundle, replayed):
    folder = copy_of(bundle, "forgetful")
    golden = read_golden(folder)
    wrong = read_golden(bundle).requests[1]
    write_golden(folder, type(golden)(requests=(type(wrong)(inputs=golden.requests[0].inputs, outputs=wrong.outputs),)))
    found = replayed(folder)
    assert found["golden/failed"] >= 1
    assert "golden request 0" in found["golden/first"]
    (folder / COMPILATION).unlink()
    (folder / "model.onnx").write_bytes(b"broken")
    assert replayed(folder)["load/error"]


def test_a_replay_needs_two_versions_and_captured_requests(workshop, digits, bundle):
    from modelyard.algorithms import run

    channel = workshop.images(*(part[:10] for part in digits))
    both = {"digits:1": bundle, "digits:2": bundle}
    with pytest.raises(InvalidInputError, match="compares two versions"):
        run.run(workshop.write("replay", {"requests": channel}, candidates={"digits:1": bundle}))
    with pytest.raises(ChannelInvalidError, match="needs the channel 'requests'"):
        run.run(workshop.write("replay", {"train": channel}, candidates=both))
    with pytest.raises(DatasetInvalidError, match="holds no captured requests"):
        run.run(workshop.write("replay", {"requests": channel}, candidates=both))


def test_requests_survive_their_way_through_the_file(tmp_path):
    inputs = {
        "numeric": np.array([[1.5, np.nan]], dtype=np.float32),
        "categorical": np.array([["nörth"]], dtype=object),
    }
    write_requests([Request(id="inf-1", at=NOW, rows=1, inputs=inputs)], tmp_path / "requests.parquet")
    (read,) = read_requests(tmp_path / "requests.parquet")
    assert (read.id, read.at, read.rows) == ("inf-1", NOW, 1)
    np.testing.assert_array_equal(read.inputs["numeric"], inputs["numeric"])
    assert read.inputs["categorical"].tolist() == [["nörth"]]


def test_numbers_have_changed_only_if_they_moved_noticeably():
    answers = Answers()
    before = np.array([0.0, 1.0, 2.0, 3.0], dtype=np.float32)
    answers.add({"prediction": before}, {"prediction": before + np.array([0.01, 0.0, 1.0, np.nan], dtype=np.float32)})
    assert answers.changed().tolist() == [False, False, True, True]
    vectors = Answers()
    vectors.add({"embedding": np.ones((2, 3))}, {"embedding": np.ones((2, 4))})
    assert vectors.changed().tolist() == []
    assert vectors.shift() == 0.0
