"""Detectors beyond the columns: rows as a whole, and quality before the truth is known."""

import numpy as np
import pytest

from modelyard.drift.base import DetectionSettings
from modelyard.drift.check import ColumnDetector
from modelyard.drift.multivariate import MultivariateDetector, SampleMissingError
from modelyard.drift.quality.estimation import CalibrationMissingError, EstimatedQualityDetector, estimate
from modelyard.drift.reference import ReferenceSketch, build_reference, window_of, with_truth
from modelyard.types.monitoring import FindingKind, Verdict
from modelyard.types.signatures import DataType, Signature, TensorSpec

PAIR = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 4), columns=("height", "weight", "age", "pulse")),
    ),
    outputs=(
        TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,)),
        TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("0", "1")),
    ),
)


def people(random: np.random.Generator, rows: int, *, tie: float) -> dict[str, np.ndarray]:
    """Four standard normal columns; `tie` is the correlation of the first two."""
    values = random.standard_normal((rows, 4))
    values[:, 1] = tie * values[:, 0] + np.sqrt(1 - tie * tie) * values[:, 1]
    return {"numeric": values.astype(np.float32)}


def test_a_lost_relation_between_columns_is_found_where_no_column_changed():
    random = np.random.default_rng(0)
    reference = build_reference(PAIR, people(random, 3000, tie=0.9), {})
    window = window_of(reference, [(people(random, 1000, tie=0.0), {})])
    assert ColumnDetector().detect(reference, window, DetectionSettings()).verdict is Verdict.NO_DRIFT
    found = MultivariateDetector().detect(reference, window, DetectionSettings())
    assert found.verdict is Verdict.DRIFT
    assert found.findings[0].kind is FindingKind.TOGETHER
    assert {finding.column for finding in found.findings[1:3]} == {"height", "weight"}
    assert "most by " in found.sentence


def test_rows_that_did_not_change_are_not_told_apart():
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(20):
        reference = build_reference(PAIR, people(random, 1000, tie=0.5), {})
        window = window_of(reference, [(people(random, 500, tie=0.5), {})])
        settings = DetectionSettings(alarms_per_week=1e9, checks_per_week=1)
        alarms += MultivariateDetector().detect(reference, window, settings).verdict is Verdict.DRIFT
    assert alarms <= 3  # 1 expected


def test_a_reference_without_rows_says_what_it_lacks():
    random = np.random.default_rng(2)
    full = build_reference(PAIR, people(random, 1000, tie=0.5), {})
    bare = ReferenceSketch(signature=PAIR, rows=1000, numbers=full.numbers)
    window = window_of(bare, [(people(random, 500, tie=0.5), {})])
    with pytest.raises(SampleMissingError):
        MultivariateDetector().detect(bare, window, DetectionSettings())
    with pytest.raises(CalibrationMissingError):
        EstimatedQualityDetector().detect(bare, window, DetectionSettings())


def answers(random: np.random.Generator, rows: int, doubt: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """An overconfident model: it says p and is right in p - 0.1 of the cases; and whether it was right."""
    said = random.uniform(1 - doubt, 1, size=rows)
    label = random.integers(0, 2, size=rows)
    second = np.where(label == 1, said, 1 - said)
    outputs = {"label": label, "probabilities": np.stack([1 - second, second], axis=1).astype(np.float32)}
    return outputs, random.random(rows) < said - 0.1


def test_quality_is_estimated_from_what_a_confidence_was_worth_when_the_truth_was_known():
    random = np.random.default_rng(3)
    inputs = people(random, 4000, tie=0.5)
    outputs, right = answers(random, 4000, 0.45)
    reference = with_truth(build_reference(PAIR, inputs, outputs), outputs, right)
    assert ReferenceSketch.from_json(reference.to_json()) == reference
    for doubt, verdict in ((0.45, Verdict.NO_DRIFT), (0.25, Verdict.NO_DRIFT)):
        later, truth = answers(random, 2000, doubt)
        window = window_of(reference, [(people(random, 2000, tie=0.5), later)])
        accuracy, area = estimate(reference, window)
        assert accuracy.low <= truth.mean() <= accuracy.high
        assert accuracy.value == pytest.approx(truth.mean(), abs=0.03)
        assert (area.metric, area.low) == ("roc_auc", None)
        assert EstimatedQualityDetector().detect(reference, window, DetectionSettings()).verdict is verdict
    said = np.full(1000, 0.6, dtype=np.float32)
    doubtful = {"label": np.ones(1000, dtype=np.int64), "probabilities": np.stack([1 - said, said], axis=1)}
    window = window_of(reference, [(people(random, 1000, tie=0.5), doubtful)])
    found = EstimatedQualityDetector().detect(reference, window, DetectionSettings())
    assert found.verdict is Verdict.DRIFT
    assert found.sentence.startswith("Estimated accuracy is ")
    assert found.findings[0].effect == pytest.approx(right.mean() - 0.5, abs=0.06)
