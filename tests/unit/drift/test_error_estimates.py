"""How large a regression's errors are expected to be, against the errors that it then makes."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from modelyard.control.monitors.checking.baselines import unmasked
from modelyard.drift.base import DetectionSettings
from modelyard.drift.quality.error_model import LEAST_ROWS
from modelyard.drift.quality.estimation import CalibrationMissingError, EstimatedQualityDetector, estimate
from modelyard.drift.reference import ReferenceSketch, build_reference, window_of, with_errors
from modelyard.types.monitoring import FindingKind, Verdict
from modelyard.types.signatures import DataType, Signature, TensorSpec

HOUSES = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("area", "age")),
        TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("town",)),
    ),
    outputs=(TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),),
)
QUIET = DetectionSettings(alarms_per_week=1e9, checks_per_week=1)
"""One of twenty checks may be wrong."""


def houses(random: np.random.Generator, rows: int, *, area: float = 100.0, far: float = 0.2):
    """Inputs, answers and errors: large houses and those far away are hard to price; some ages are missing."""
    areas, ages = random.normal(area, 20, rows), random.uniform(0, 90, rows)
    town = np.where(random.random(rows) < far, "far", "near")
    errors = random.normal(0, 5 + np.maximum(areas - 100, 0) / 4 + 8 * (town == "far"), rows)
    ages[random.random(rows) < 0.1] = np.nan
    inputs = {
        "numeric": np.stack([areas, ages], axis=1).astype(np.float32),
        "categorical": town.astype(object)[:, None],
    }
    return inputs, {"prediction": (3 * areas).astype(np.float32)}, errors


def reference_of(random: np.random.Generator, rows: int = 3000) -> ReferenceSketch:
    inputs, outputs, errors = houses(random, rows)
    return with_errors(build_reference(HOUSES, inputs, outputs), inputs, outputs, errors)


def test_errors_are_foreseen_when_inputs_move_to_where_the_model_is_worse():
    random = np.random.default_rng(0)
    reference = reference_of(random)
    assert ReferenceSketch.from_json(reference.to_json()) == reference
    for shift in ({"area": 125.0}, {"far": 0.7}):
        inputs, outputs, errors = houses(random, 5000, **shift)
        window = window_of(reference, [(inputs, outputs)])
        mae, rmse = estimate(reference, window)
        assert (mae.metric, rmse.metric, mae.rows) == ("mae", "rmse", 5000)
        assert mae.low <= np.abs(errors).mean() <= mae.high
        assert rmse.low <= np.sqrt(np.square(errors).mean()) <= rmse.high
        assert mae.high - mae.low < 0.2 * mae.value
        found = EstimatedQualityDetector().detect(reference, window, DetectionSettings())
        assert found.verdict is Verdict.DRIFT
        assert found.sentence.startswith("Estimated mean error is ")
        assert [(each.column, each.kind) for each in found.findings] == [
            ("mae", FindingKind.QUALITY),
            ("rmse", FindingKind.QUALITY),
        ]


def test_windows_like_the_reference_raise_no_alarm_and_the_truth_is_in_the_interval():
    random = np.random.default_rng(1)
    alarms = covered = 0
    for _ in range(40):
        reference = reference_of(random, 1000)
        inputs, outputs, errors = houses(random, 500)
        window = window_of(reference, [(inputs, outputs)])
        alarms += EstimatedQualityDetector().detect(reference, window, QUIET).verdict is Verdict.DRIFT
        mae = estimate(reference, window)[0]
        covered += mae.low <= np.abs(errors).mean() <= mae.high
    assert alarms <= 2
    assert covered >= 35


def test_the_window_is_judged_by_its_sample_however_many_rows_it_has():
    random = np.random.default_rng(2)
    reference = reference_of(random)
    parts = [houses(random, 5000, area=120.0) for _ in range(8)]
    halves = [
        window_of(reference, [(inputs, outputs) for inputs, outputs, _ in part]) for part in (parts[:4], parts[4:])
    ]
    halves[0].merge(halves[1])
    mae = estimate(reference, halves[0])[0]
    assert (mae.rows, halves[0].sample.rows) == (40_000, 2_000)
    assert mae.low <= np.abs(np.concatenate([errors for _, _, errors in parts])).mean() <= mae.high


def test_on_real_patients_the_estimate_is_nearer_to_the_truth_than_the_usual_error():
    values, truth = load_diabetes(return_X_y=True)
    signature = replace(
        HOUSES, inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, values.shape[1])),)
    )
    better = 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        order = random.permutation(len(truth))
        learnt, known, later = order[:100], order[100:300], order[300:]
        answers = LinearRegression().fit(values[learnt], truth[learnt]).predict(values)
        errors = answers - truth

        def tensors(rows: np.ndarray, answers: np.ndarray = answers):
            return {"numeric": values[rows].astype(np.float32)}, {"prediction": answers[rows].astype(np.float32)}

        reference = with_errors(build_reference(signature, *tensors(known)), *tensors(known), errors[known])
        heavy = random.choice(later, 300, p=_weights(values[later, 2]))  # patients of a high body mass index
        mae = estimate(reference, window_of(reference, [tensors(heavy)]))[0]
        true = np.abs(errors[heavy]).mean()
        better += abs(mae.value - true) < abs(mae.usual - true)
    assert better >= 7


def test_what_cannot_be_known_is_said():
    random = np.random.default_rng(3)
    inputs, outputs, errors = houses(random, LEAST_ROWS - 1)
    few = with_errors(build_reference(HOUSES, inputs, outputs), inputs, outputs, errors)
    assert few.errors is None
    with pytest.raises(CalibrationMissingError):
        estimate(few, window_of(few, [(inputs, outputs)]))
    whole = reference_of(random)
    hidden = unmasked(whole, ["area"])
    assert whole.errors is not None
    assert "area" in whole.errors.columns
    assert hidden.errors is None
    assert unmasked(whole, []).errors == whole.errors


def _weights(values: np.ndarray) -> np.ndarray:
    weights = np.exp(30 * values)
    return weights / weights.sum()
