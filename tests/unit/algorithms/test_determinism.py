"""Same seed, data and hyper-parameters: the same version, byte for byte, in another process at another time.

Measured times differ; they are in `compilation.json`, which is no part of a version's digest.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from modelyard.runtimes.bundle import COMPILATION

TRAIN = """
import sys
from pathlib import Path
from modelyard.algorithms.run import run
for folder in sys.argv[1:]:
    run(Path(folder))
"""
SAMPLED = {"rounds": 30, "subsample": 0.7, "colsample_bytree": 0.6}


def table():
    random = np.random.default_rng(0)
    x, kind = random.normal(size=(400, 4)), random.choice(["a", "b", ""], 400)
    lines = [
        ",".join(f"{v:.4f}" for v in row) + f",{k},{'no' if row[0] > 0 else 'yes'},{row[1]:.4f}"
        for row, k in zip(x, kind, strict=True)
    ]
    return "\n".join(["c0,c1,c2,c3,kind,word,number", *lines]) + "\n"


@pytest.mark.slow
def test_every_algorithm_gives_the_same_bundle_twice_and_another_one_for_another_seed(workshop, digits):
    images = workshop.images(digits[0][:300], digits[1][:300])
    rows = workshop.csv(table())
    recipes = {
        "images": (
            "image-classification",
            images,
            None,
            {"network": "mlp", "epochs": 3, "augmentation": "shift-noise"},
        ),
        "trees": ("boosted-trees-classification", rows, "word", SAMPLED),
        "tree-numbers": ("boosted-trees-regression", rows, "number", SAMPLED),
        "logistic": ("linear-classification", rows, "word", {}),
        "net": ("linear-regression", rows, "number", {"l1_share": 0.5}),
    }
    seeded = {name: recipes[name] for name in ("images", "trees", "tree-numbers")}

    def folders(attempt: str, seed: int, wanted: dict) -> list[Path]:
        return [
            workshop.write(
                algorithm, {"train": channel}, name=f"{attempt}-{name}", target=target, hyperparameters=given, seed=seed
            )
            for name, (algorithm, channel, target, given) in wanted.items()
        ]

    first, second, other = folders("first", 5, recipes), folders("second", 5, recipes), folders("other", 6, seeded)
    for each in (first, [*second, *other]):  # in two processes
        subprocess.run([sys.executable, "-c", TRAIN, *map(str, each)], check=True, timeout=240, capture_output=True)
    assert digests(first) == digests(second)
    for name, one, another in zip(seeded, digests(first), digests(other), strict=False):  # the recipes begin with these
        assert one["model.onnx"] != another["model.onnx"], name


def digests(folders: list[Path]) -> list[dict[str, str]]:
    """Of the files of each bundle, but for the measured times."""
    return [
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (folder / "output").iterdir()
            if path.name != COMPILATION
        }
        for folder in folders
    ]
