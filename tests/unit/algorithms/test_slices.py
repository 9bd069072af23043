"""Slices: parts of the data that people can name, and the one in which a model lost most."""

import numpy as np
import pytest

from modelyard.algorithms.evaluation.worst_slices import slices, worst_slice
from modelyard.types.signatures import DataType, Signature, TensorSpec

TABLE = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("age", "grade")),
        TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("region",)),
    ),
    outputs=(TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,)),),
)
IMAGES = Signature(inputs=(TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, 8, 8)),), outputs=TABLE.outputs)
ROWS = 800


@pytest.fixture
def table():
    random = np.random.default_rng(0)
    numeric = np.stack([random.normal(40, 10, ROWS), random.integers(1, 4, ROWS)], axis=1).astype(np.float32)
    numeric[:50, 0] = np.nan
    region = random.choice(np.array(["north", "south", "east", ""], dtype=object), ROWS)
    region[-3:] = "rare"
    return {"numeric": numeric, "categorical": region[:, None]}


def test_slices_have_names_that_people_understand(table):
    found = {part.name: int(part.mask.sum()) for part in slices(TABLE, table, np.arange(ROWS) % 2)}
    assert {"age is missing", "grade = 2", "region = 'north'", "region is missing", "class = '0'"} <= set(found)
    assert found["age is missing"] == 50
    assert "region = 'rare'" not in found
    quartiles = [
        rows for name, rows in found.items() if name.startswith("age <= ") or " < age" in name or "age > " in name
    ]
    assert len(quartiles) == 4
    assert sum(quartiles) == ROWS - 50


def test_images_are_sliced_by_class_brightness_and_noise():
    images = np.random.default_rng(0).normal(8, 3, (400, 8, 8)).astype(np.float32)
    names = [part.name for part in slices(IMAGES, {"images": images}, np.arange(400) % 10)]
    assert sum("image.brightness" in name for name in names) == 4
    assert sum("image.noise" in name for name in names) == 4
    assert "class = '7'" in names
    assert len(names) == 18


def test_the_slice_that_a_bug_has_spoilt_is_found_and_measured(table):
    truth = np.random.default_rng(1).integers(0, 3, ROWS)
    first, second = truth.copy(), truth.copy()
    north = table["categorical"][:, 0] == "north"
    second[north] = (second[north] + 1) % 3
    parts = [*slices(TABLE, table, truth)]
    worst = worst_slice(parts, first == truth, second == truth, 0.05)
    assert (worst.name, worst.rows, worst.first, worst.second) == ("region = 'north'", north.sum(), 1.0, 0.0)
    assert worst.p_value < 1e-6
    assert worst.slices == len(parts)
    assert worst_slice([], first == truth, second == truth, 0.05) is None


def test_slices_of_equal_models_are_called_worse_no_more_often_than_is_asked(table):
    alarms = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        truth = random.integers(0, 2, ROWS)
        first, second = ((truth + (random.random(ROWS) < 0.15)) % 2 for _ in range(2))
        worst = worst_slice(slices(TABLE, table, truth), first == truth, second == truth, 0.0)
        alarms += worst.p_value <= 0.05
    assert alarms <= 0.05 * 200 + 3 * np.sqrt(200 * 0.05 * 0.95)


def test_regressors_have_a_weakest_slice_too(table):
    random = np.random.default_rng(5)
    noise = random.normal(size=ROWS)
    south = table["categorical"][:, 0] == "south"
    first, second = noise**2, np.where(south, 2 * noise, 0.5 * noise) ** 2
    worst = worst_slice(slices(TABLE, table, None), first, second, 0.05)
    assert worst.name == "region = 'south'"
    assert worst.second == pytest.approx(2 * worst.first)
    assert worst.p_value < 0.01
