"""Columns that were hashed or dropped in captures: nothing is judged by them, and who asks for one is told."""

import msgspec
import numpy as np
import pytest

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.errors import ColumnMaskedError
from modelyard.control.captures.masked import is_masked, masked_answers, masked_columns, masked_inputs
from modelyard.control.evaluation.bias import BiasQuestion, BiasService
from modelyard.control.evaluation.reading import EvaluationReader
from modelyard.control.evaluation.service import EvaluationService, Question, Window
from modelyard.control.feedback.history import QualityHistory
from modelyard.control.monitors.schemas import MonitorCreate
from modelyard.types.monitoring import Verdict
from modelyard.types.signatures import DataType, Signature, TensorSpec

HOUR = Window(length="1h")
SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("age", "income")),
        TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, 8, 8)),
    ),
    outputs=(
        TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,)),
        TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("no", "yes")),
    ),
)


def masked_traffic(world, requests, *masked, **how):
    records = [msgspec.structs.replace(record, masked=masked) for record in world.records(requests, **how)]
    world.write(records)
    world.ingest.run_once()
    return records


@pytest.fixture
def reader(world):
    return EvaluationReader(world.captures, world.feedback, world.registry)


def test_what_is_made_of_a_masked_name_is_masked_too():
    assert is_masked("comment.length", {"comment"})
    assert not is_masked("comments", {"comment"})
    whole = masked_columns(SIGNATURE, {"numeric", "images", "probabilities"})
    for column in ("age", "income", "image.noise", "prediction.confidence", "prediction.probability.yes"):
        assert is_masked(column, whole)
    assert not is_masked("prediction.label", whole)
    assert masked_inputs(SIGNATURE, ("income", "label", "yes")) == ("income",)
    assert masked_answers(SIGNATURE, ("income", "label", "yes")) == ("label", "yes")


def test_slices_and_groups_by_a_masked_column_are_refused_by_its_name(world, reader):
    evaluate = EvaluationService(reader, world.endpoints, world.clock).evaluate
    report = BiasService(reader, world.endpoints, world.clock).report
    world.label(world.traffic(40))
    world.label(masked_traffic(world, 40, "x"))
    for asked in (
        lambda: evaluate("default", "points", HOUR, Question(slice_column="x")),
        lambda: report("default", "points", HOUR, BiasQuestion(column="x", favourable=1)),
    ):
        with pytest.raises(ColumnMaskedError) as caught:
            asked()
        assert "'x'" in caught.value.message
        assert caught.value.field == "column"
    found = evaluate("default", "points", HOUR, Question(slice_column="y"))
    assert found.labelled == 80


def test_a_window_without_masked_rows_is_sliced_by_the_column(world, reader):
    evaluate = EvaluationService(reader, world.endpoints, world.clock).evaluate
    masked_traffic(world, 40, "x")
    since = world.clock.now()
    world.label(world.traffic(40))
    found = evaluate("default", "points", Window(since=since.replace(microsecond=1)), Question(slice_column="x"))
    assert (found.labelled, len(found.groups)) == (40, 4)


def test_masked_answers_are_not_taken_for_wrong_ones(world, reader):
    world.label(world.traffic(40))
    world.label(masked_traffic(world, 40, "label"), is_right=False)
    (live,) = world.quality.metrics("default", "points", "1h")
    assert (live.value, live.n) == (1.0, 40)
    history = QualityHistory(world.labelled, world.registry, world.endpoints, world.clock)
    points = history.points("default", "points", "1h", 1)
    assert [(point.value, point.n) for point in points if point.metric == "accuracy"] == [(1.0, 40)]
    with pytest.raises(ColumnMaskedError) as caught:
        EvaluationService(reader, world.endpoints, world.clock).evaluate("default", "points", HOUR, Question())
    assert "'label'" in caught.value.message


def test_rows_are_told_apart_by_what_was_masked_in_them(world, reader):
    world.traffic(3)
    masked_traffic(world, 4, "x")
    blocks = reader.blocks(BatchFilter(project="default", endpoint="points"))
    assert sorted((block.masked, len(block.truth)) for block in blocks) == [((), 3), (("x",), 4)]


def watch(world, **changes):
    body = {"name": "watch", "endpoint": "points", "interval_seconds": 60, "minimum_rows": 50, "window_rows": 400}
    world.monitors.create("default", MonitorCreate(**body | changes), None)


def run(world):
    report = world.monitoring.runner.run("default", "watch")
    return report.verdict, {finding.column for finding in report.findings}


def test_worst_slices_are_not_looked_for_in_masked_columns(world):
    watch(world, detectors=["quality"])
    world.label(world.traffic(200))
    world.clock.sleep(10)
    assert run(world)[0] is Verdict.INSUFFICIENT  # these labels say what is usual
    for record in masked_traffic(world, 400, "y"):
        x, y = np.frombuffer(record.inputs[0].data, dtype=np.float32)
        world.label([record], is_right=bool(x < 0.3 and y < 0.3))
    world.clock.sleep(10)
    assert run(world) == (Verdict.DRIFT, {"accuracy", "x"})


def test_what_was_masked_once_does_not_drift_after_the_rule_is_gone(world):
    watch(world, detectors=["input-drift"])
    assert world.endpoints.known["points"].capture.personal_columns == {}
    world.traffic(100)
    masked_traffic(world, 100, "x", shift=3.0)
    verdict, columns = run(world)
    assert verdict is Verdict.DRIFT
    assert "y" in columns
    assert "x" not in columns


def test_last_weeks_traffic_is_no_baseline_for_a_masked_column(world):
    watch(world, detectors=["input-drift"], baseline="previous-week", window_rows=200)
    masked_traffic(world, 200, "x", shift=3.0)
    world.clock.sleep(2 * 86400)
    world.traffic(200, shift=3.0)
    verdict, columns = run(world)
    assert verdict is Verdict.NO_DRIFT
    assert "x" not in columns
