"""Feedback: truth in any order, and live metrics that say how sure they are."""

import numpy as np
import pytest
from msgspec import structs

from modelyard.algorithms.evaluation.intervals import mean_interval, wilson
from modelyard.control.endpoints.errors import EndpointNotFoundError
from modelyard.control.feedback.errors import TruthInvalidError, WindowInvalidError
from modelyard.control.feedback.quality import parse_window
from modelyard.control.feedback.service import NewTruth, label
from modelyard.runtimes.tensors import to_raw
from modelyard.types.monitoring import FeedbackReceipt


def send(world, *items: tuple[str, list]) -> FeedbackReceipt:
    return world.feedback.record("default", "points", [NewTruth(*item) for item in items])


def test_truth_is_accepted_once_repeated_harmlessly_and_corrected_with_a_count(world):
    assert send(world, ("a", [1]), ("b", [0, None])) == FeedbackReceipt(accepted=2)
    assert send(world, ("a", ["1"]), ("b", [0.0, None])) == FeedbackReceipt(accepted=0, duplicate=2)
    assert send(world, ("b", [None, 1]), ("a", [0])) == FeedbackReceipt(accepted=1, conflicting=1)
    assert world.feedback.truths("default", "points", ["a", "b", "c"]) == {"a": [0], "b": [0, 1]}
    assert send(world, ("d", [1]), ("d", [1]), ("d", [2])) == FeedbackReceipt(accepted=1, duplicate=1, conflicting=1)


@pytest.mark.parametrize("truth", [[], [1, 2]])
def test_truth_of_another_number_of_rows_is_refused_and_nothing_is_stored(world, truth):
    send(world, ("a", [1]))
    with pytest.raises(TruthInvalidError) as caught:
        send(world, ("new", [1]), ("a", truth))
    assert caught.value.field == "items.1.truth"
    assert world.feedback.truths("default", "points", ["new"]) == {}


def test_feedback_for_an_unknown_endpoint_is_refused(world):
    with pytest.raises(EndpointNotFoundError):
        world.feedback.record("default", "nobody", [NewTruth("a", [1])])


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (3.0, "3"), ("3", "3"), (3.5, "3.5"), (True, "true"), ("True", "true"), ("cat", "cat"), (None, None)],
)
def test_a_label_is_the_same_in_every_type(value, text):
    assert label(value) == text


def test_accuracy_is_counted_per_version_with_a_wilson_interval(world):
    first, second = world.traffic(40), world.traffic(10, number=2, rows=2)
    world.label(first[:30])
    world.label(first[30:], is_right=False)
    world.label(second)
    old, new = world.quality.metrics("default", "points", "1h")
    assert (old.model_version, old.metric, old.value, old.n) == ("points:1", "accuracy", 0.75, 40)
    assert (old.low, old.high) == pytest.approx(wilson(30, 40))
    assert (new.model_version, new.value, new.n, new.high) == ("points:2", 1.0, 20, 1.0)
    assert new.low < 0.95
    assert old.since < old.until < new.until


def test_only_the_window_counts_and_an_unlabelled_version_says_so(world):
    world.label(world.traffic(10), is_right=False)
    world.clock.sleep(3600)
    world.traffic(5)
    (metric,) = world.quality.metrics("default", "points", "10m")
    assert (metric.n, metric.value, metric.low) == (0, None, None)
    (metric,) = world.quality.metrics("default", "points", "2h")
    assert (metric.n, metric.value) == (10, 0.0)
    with pytest.raises(EndpointNotFoundError):
        world.quality.metrics("default", "nobody", "1h")


def test_regressors_are_measured_by_their_errors(world):
    records = [
        structs.replace(record, outputs=(to_raw("prediction", np.array([2.0], dtype=np.float32)),))
        for record in world.records(4)
    ]
    world.write(records)
    world.ingest.run_once()
    send(world, *[(record.id, [truth]) for record, truth in zip(records, [1.0, 3.0, 2.0, "many"], strict=True)])
    metrics = {metric.metric: metric for metric in world.quality.metrics("default", "points", "1h")}
    assert metrics["mae"].value == pytest.approx(2 / 3)
    assert metrics["rmse"].value == pytest.approx((2 / 3) ** 0.5)
    assert metrics["rmse"].n == 3
    assert metrics["rmse"].low < metrics["rmse"].value < metrics["rmse"].high


@pytest.mark.parametrize("text", ["", "0h", "5", "1w", "-1h", "1h ", "99999999h"])
def test_a_window_that_is_none_is_refused(text):
    with pytest.raises(WindowInvalidError):
        parse_window(text)


def test_wilson_is_the_textbook_interval():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10)[0] == 0
    assert mean_interval(np.array([1.0])) == (1.0, 1.0, 1.0)


def test_labelled_rows_are_read_with_their_inputs_and_used_once(world):
    records = world.traffic(6, rows=2)
    world.label(records[:4])
    send(world, (records[4].id, [1]), ("inf-000001x", [1, 1]))
    (part,) = world.labelled.read_new("default", "points", "run-1")
    assert (len(part.labels), part.inputs["numeric"].shape, len(part.ids)) == (8, (8, 2), 4)
    world.feedback.mark("default", "points", part.ids, "run-1")
    assert list(world.labelled.read_new("default", "points", "run-2")) == []
    assert len(list(world.labelled.read_new("default", "points", "run-1", is_reserved=True))) == 1
    world.feedback.release("run-1")
    assert len(list(world.labelled.read_new("default", "points", "run-2"))) == 1
    assert list(world.labelled.read_new("default", "points", "run-2", is_reserved=True)) == []
