"""The figures that docs/explanation/drift.md states, on fixed seeds: false alarms, power, the knob."""

from collections.abc import Callable

import numpy as np
import pytest

from modelyard.drift.base import DetectionSettings
from modelyard.drift.check import ColumnDetector, check
from modelyard.drift.reference import ReferenceSketch, build_reference, window_of
from modelyard.types.monitoring import Verdict
from modelyard.types.signatures import DataType, Signature, TensorSpec

COLUMNS = 30
TABLE = Signature(
    inputs=(
        TensorSpec(
            name="numeric",
            datatype=DataType.FP32,
            shape=(-1, COLUMNS),
            columns=tuple(f"x{index}" for index in range(COLUMNS)),
        ),
    ),
    outputs=(),
)
ANSWER = Signature(
    inputs=(TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("answer",)),), outputs=()
)
LOUD = DetectionSettings(minimum_rows=50, alarms_per_week=1e9, checks_per_week=1)  # alpha = 0.05 at every check
Change = Callable[[np.ndarray], None]


def numbers(random: np.random.Generator, rows: int) -> np.ndarray:
    return random.standard_normal((rows, COLUMNS), dtype=np.float32)


def reference_of(random: np.random.Generator, rows: int) -> ReferenceSketch:
    return build_reference(TABLE, {"numeric": numbers(random, rows)}, {})


def is_alarm(reference: ReferenceSketch, values: np.ndarray, settings: DetectionSettings = LOUD) -> bool:
    window = window_of(reference, [({"numeric": values}, {})])
    return ColumnDetector().detect(reference, window, settings).verdict is Verdict.DRIFT


def alarms(reference_rows: int, rows: int, checks: int, change: Change | None = None) -> float:
    """Share of the checks that alarm, each with a reference and a window of its own."""
    random = np.random.default_rng(reference_rows + rows)
    found = 0
    for _ in range(checks):
        reference, values = reference_of(random, reference_rows), numbers(random, rows)
        if change:
            change(values)
        found += is_alarm(reference, values)
    return found / checks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "reference_rows", "checks"),
    [
        (100, 1000, 200),
        (300, 1000, 200),
        (1000, 1000, 200),
        (1000, 10_000, 50),
        (10_000, 10_000, 30),
        (100_000, 20_000, 5),
    ],
)
def test_without_drift_at_most_six_percent_of_checks_alarm(rows: int, reference_rows: int, checks: int):
    assert alarms(reference_rows, rows, checks) <= 0.06


@pytest.mark.slow
def test_the_stated_alarms_per_week_hold_over_a_quiet_year():
    checks_per_week, random = 24, np.random.default_rng(11)  # every seven hours
    settings = DetectionSettings(minimum_rows=50, alarms_per_week=1, checks_per_week=checks_per_week)
    reference = reference_of(random, 50_000)
    found = sum(is_alarm(reference, numbers(random, 1000), settings) for _ in range(52 * checks_per_week))
    assert 1 / 1.5 <= found / 52 <= 1.5


@pytest.mark.parametrize("reference_rows", [1000, 10_000])
def test_three_of_thirty_columns_moved_by_a_third_of_a_deviation_are_found(reference_rows: int):
    def shift(values: np.ndarray) -> None:
        values[:, :3] += 0.3

    assert alarms(reference_rows, 1000, checks=60, change=shift) >= 0.95


def test_a_shift_too_small_to_harm_is_no_drift_however_many_rows_prove_it():
    def shift(values: np.ndarray) -> None:
        values += 0.02

    assert alarms(100_000, 1_000_000, checks=1, change=shift) == 0


def test_reversed_category_shares_are_always_found():
    random, names = np.random.default_rng(6), np.array(["yes", "no"], dtype=object)
    for _ in range(50):
        before = random.choice(names, p=[0.9, 0.1], size=(500, 1))
        reference = build_reference(ANSWER, {"categorical": before}, {})
        window = random.choice(names, p=[0.1, 0.9], size=(100, 1))
        verdict, sentence, _ = check(reference, {"categorical": window}, {}, alarms_per_week=0.01)
        assert verdict is Verdict.DRIFT
        assert sentence.startswith("answer is '")
