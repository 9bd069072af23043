"""Detectors that are images: they get the files of a check, answer with a file, and have neither network nor rights."""

from pathlib import Path

import numpy as np
import pytest

from modelyard.control.detectors.errors import DetectorFailedError
from modelyard.control.detectors.running import DetectorRunner
from modelyard.drift.base import Detection, DetectionSettings
from modelyard.drift.reference import build_reference, window_of
from modelyard.testing.engine import EngineCase
from modelyard.testing.services.containers import Podman, python_root
from modelyard.types.monitoring import DetectorDescription, DetectorImage, Verdict
from modelyard.types.signatures import DataType, Signature, TensorSpec

pytestmark = pytest.mark.slow
SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 1), columns=("hour",)),
        TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("town",)),
    ),
    outputs=(TensorSpec(name="y", datatype=DataType.FP32, shape=(-1,)),),
)
PROGRAM = """
import csv, json, socket, sys

if sys.argv[1:] == ["raises"]:
    raise ValueError("the towns have gone")
if sys.argv[1:] == ["silent"]:
    sys.exit(0)
if sys.argv[1:] == ["declines"]:
    answer = {"failure": "there is no town in it"}
else:
    reference, window = (list(csv.DictReader(open(name))) for name in ("reference.csv", "window.csv"))
    alpha = json.load(open("settings.json"))["alarms_per_week"]
    night = sum(float(row["hour"]) < 6 for row in window) / len(window)
    towns = sorted({row["town"] for row in window})
    try:
        socket.create_connection(("127.0.0.1", 80), timeout=1)
        network = "reached"
    except OSError:
        network = "unreachable"
    sentence = f"{night:.0%} of {len(window)} come at night, from {towns}, before {len(reference)}; network {network}."
    answer = {"detection": {"verdict": "DRIFT" if night > 0.5 else "NO_DRIFT", "sentence": sentence}}
json.dump(answer, open("result.json", "w"))
"""


@pytest.fixture(scope="module")
def digest(podman: Podman) -> str:
    change = 'ENTRYPOINT ["/usr/bin/python3", "/detector.py"]'
    return podman.load("test/detector:1", python_root({"detector.py": PROGRAM}), change)


def ask(case: EngineCase, folder: Path, digest: str, *command: str) -> Detection:
    rng = np.random.default_rng(3)
    hours = rng.uniform(0, 24, (400, 1)).astype(np.float32)
    towns = np.array([["Delft"], ["Leiden"]], object)[rng.integers(0, 2, 400)]
    reference = build_reference(SIGNATURE, {"numeric": hours, "categorical": towns}, {})
    changed = np.where(hours < 12, "Delft", "Gouda").astype(object)
    window = window_of(reference, [({"numeric": hours / 5, "categorical": changed}, {})])
    image = DetectorImage(reference="test/detector:1", digest=digest, command=command)
    detector = DetectorDescription(name="night", description="", image=image)
    return DetectorRunner(case.engine, folder).run("default", detector, reference, window, DetectionSettings())


def test_an_image_reads_the_samples_and_gives_the_verdict(case: EngineCase, tmp_path: Path, digest: str):
    found = ask(case, tmp_path / "home" / "run" / "detectors", digest)
    assert found.verdict is Verdict.DRIFT
    assert "of 400 come at night, from ['(other)', 'Delft'], before 400; network unreachable" in found.sentence
    assert list(case.engine.list()) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("raises", "ended without a verdict"),
        ("silent", "left no readable answer"),
        ("declines", "gave no verdict: there is no town in it"),
    ],
)
def test_an_image_without_a_verdict_is_a_failed_check_with_the_reason(
    case: EngineCase, tmp_path: Path, digest: str, command: str, words: str
):
    with pytest.raises(DetectorFailedError, match=words) as failed:
        ask(case, tmp_path / "home" / "run" / "detectors", digest, command)
    assert command != "raises" or "the towns have gone" in failed.value.hint
