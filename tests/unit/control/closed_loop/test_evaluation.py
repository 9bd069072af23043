"""Evaluations of captured traffic: groups, slices, days, truth of every kind, and columns read without a loop."""

from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.columns import concatenated
from modelyard.control.captures.parquet import concatenate
from modelyard.control.evaluation.bias import BiasQuestion, BiasService
from modelyard.control.evaluation.errors import (
    ColumnUnknownError,
    FavourableUnknownError,
    GroupsTooManyError,
    NothingCapturedError,
)
from modelyard.control.evaluation.reading import EvaluationReader
from modelyard.control.evaluation.service import EvaluationService, Question, Window, split_rows
from modelyard.control.feedback.service import NewTruth
from modelyard.runtimes.tensors import to_raw

HOUR = Window(length="1h")


@pytest.fixture
def evaluating(world):
    reader = EvaluationReader(world.captures, world.feedback, world.registry)
    return SimpleNamespace(
        reader=reader,
        evaluate=EvaluationService(reader, world.endpoints, world.clock).evaluate,
        bias=BiasService(reader, world.endpoints, world.clock).report,
    )


def value(group, name):
    return next(figure for figure in group.figures if figure.name == name).value


def test_tables_are_read_as_inference_by_inference_whatever_their_layouts(world):
    records = world.records(5, rows=3) + world.records(4)
    records += [
        replace(record, inputs=(to_raw("words", np.array([["ä", ""]] * record.rows, dtype=object)), *record.inputs))
        for record in world.records(3, rows=2)
    ]
    world.write(records)
    world.ingest.run_once()
    wanted = BatchFilter(project="default", endpoint="points")
    items = sorted((item for batch in world.captures.newest(wanted) for item in batch), key=lambda item: item.id)
    slow = {tuple(item.id for item in group): (i, o) for group, i, o in concatenate(items)}
    ((_, table),) = world.captures.tables(wanted)
    ids = table["id"].to_pylist()
    fast = {tuple(ids[p] for p in places): (i, o) for places, i, o in concatenated(table)}
    assert fast.keys() == slow.keys()
    assert len(fast) == 2
    for key, sides in fast.items():
        for got, expected in zip(sides, slow[key], strict=True):
            assert got.keys() == expected.keys()
            assert all(np.array_equal(got[name], expected[name]) for name in got)


def test_tables_hold_only_what_was_asked_for(world):
    world.traffic(5)
    records = world.traffic(5, number=2)
    times = [world.clock.now() - timedelta(seconds=seconds) for seconds in (3, 1)]

    def found(**wanted):
        batches = world.captures.tables(BatchFilter(project="default", endpoint="points", **wanted))
        return sorted(each for _, table in batches for each in table["id"].to_pylist())

    ids = [record.id for record in records]
    assert found(version="points:2") == ids
    assert found(since=times[0], until=times[1]) == ids[1:4]
    assert found(ids=(ids[1], ids[2])) == ids[1:3]
    assert found(variant="canary") == []


def test_figures_come_by_version_variant_and_day(world, evaluating):
    first = world.traffic(40)
    world.clock.sleep(86400)
    second = world.traffic(50, number=2)
    world.label(first[:30])
    world.label(first[30:], is_right=False)
    world.label(second)
    found = evaluating.evaluate("default", "points", Window(length="3d"), Question(by=("variant", "day")))
    assert (found.task, found.rows, found.labelled, found.is_cut) == ("classification", 90, 90, False)
    new, old = found.groups
    assert (old.version, old.variant, old.day, old.labelled) == ("points:1", "main", "2026-01-01", 40)
    assert (new.version, new.day) == ("points:2", "2026-01-02")
    assert (value(old, "accuracy"), value(new, "accuracy")) == (0.75, 1.0)
    # The model says 90 % for class 0 whatever it answers.
    assert value(new, "log_loss") > 0
    assert sum(each.n for each in new.calibration) == 50
    assert {round(each.confidence, 4) for each in new.calibration} == {0.1, 0.9}
    assert sum(cell.n for cell in old.confusion if cell.truth != cell.predicted) == 10


def test_a_group_with_too_few_labels_says_so(world, evaluating):
    world.label(world.traffic(12))
    world.traffic(100)
    (group,) = evaluating.evaluate("default", "points", HOUR, Question()).groups
    assert (group.rows, group.labelled) == (112, 12)
    (figure,) = group.figures
    assert (figure.value, figure.note) == (None, "too few rows: 12 of 30")


def test_slices_show_where_a_model_fails(world, evaluating):
    records = world.traffic(400)
    for record in records:
        x, _ = np.frombuffer(record.inputs[0].data, dtype=np.float32)
        world.label([record], is_right=bool(x < 0.6))
    found = evaluating.evaluate("default", "points", HOUR, Question(slice_column="x"))
    accuracy = [value(group, "accuracy") for group in found.groups]
    assert len(accuracy) == 4
    assert accuracy[:2] == [1.0, 1.0]
    assert accuracy[-1] < 0.1
    assert found.groups[0].slice is not None


def test_costs_count_what_mistakes_cost(world, evaluating):
    records = world.traffic(60)
    world.label(records[:40])
    world.label(records[40:], is_right=False)
    answers = [int(np.frombuffer(record.outputs[0].data, dtype=np.int64)[0]) for record in records]
    (group,) = evaluating.evaluate("default", "points", HOUR, Question(costs={"1": {"0": 7.0}})).groups
    missed, alarmed = answers[40:].count(0), answers[40:].count(1)
    assert value(group, "cost") == pytest.approx((7 * missed + alarmed) / 60)


def test_regressors_are_measured_and_truth_that_is_no_number_is_left_out(world, evaluating):
    records = [
        replace(record, outputs=(to_raw("prediction", np.array([2.0], dtype=np.float32)),))
        for record in world.records(41)
    ]
    world.write(records)
    world.ingest.run_once()
    truths = [NewTruth(record.id, [1.0 if index % 2 else "3"]) for index, record in enumerate(records[:-1])]
    world.feedback.record("default", "points", [*truths, NewTruth(records[-1].id, ["unknown"])])
    (group,) = evaluating.evaluate("default", "points", HOUR, Question()).groups
    assert (group.rows, group.labelled) == (41, 40)
    assert (value(group, "rmse"), value(group, "mae"), value(group, "mean_error")) == (1.0, 1.0, 0.0)


def test_only_the_newest_rows_count_when_there_are_more_than_asked_for(world, evaluating):
    records = world.traffic(60)
    world.label(records[:30], is_right=False)
    world.label(records[30:])
    found = evaluating.evaluate("default", "points", Window(length="1h", rows=30), Question())
    assert (found.rows, found.is_cut, value(found.groups[0], "accuracy")) == (30, True, 1.0)


def test_questions_without_an_answer_are_refused(world, evaluating):
    with pytest.raises(NothingCapturedError):
        evaluating.bias("default", "points", HOUR, BiasQuestion(column="x", favourable=1))
    world.label(world.traffic(40))
    with pytest.raises(ColumnUnknownError) as caught:
        evaluating.evaluate("default", "points", HOUR, Question(slice_column="z"))
    assert caught.value.hint == "There are: x, y."
    with pytest.raises(FavourableUnknownError):
        evaluating.bias("default", "points", HOUR, BiasQuestion(column="x", favourable="yes"))
    with pytest.raises(GroupsTooManyError):
        [*split_rows([np.arange(1001)])]


def test_a_bias_report_compares_groups_of_one_version(world, evaluating):
    records = world.traffic(600)
    for record in records:
        _, y = np.frombuffer(record.inputs[0].data, dtype=np.float32)
        world.label([record], is_right=bool(y < 0) or record.id.endswith(("1", "2", "3", "4", "5")))
    world.traffic(50, number=2)
    report = evaluating.bias("default", "points", HOUR, BiasQuestion(column="y", favourable=1, bins=2))
    assert (report.version, report.favourable) == ("points:1", "1")
    reference, other = report.groups
    assert (reference.is_reference, reference.rows, other.rows) == (True, 300, 300)
    rates = {figure.name: figure.value for figure in other.rates}
    assert rates.keys() >= {"selection_rate", "true_positive_rate", "false_positive_rate", "calibration_gap"}
    assert any("true_positive_rate" in sentence for sentence in report.findings)


def test_what_retention_took_is_left_out(world, evaluating):
    world.traffic(10)
    wanted = BatchFilter(project="default", endpoint="points")
    assert sum(len(block.truth) for block in evaluating.reader.blocks(wanted)) == 10
    (batch, _), *_ = world.captures.tables(wanted)
    world.objects.delete(batch.object_key)
    assert [*evaluating.reader.blocks(wanted)] == []
