"""Explanations and comparisons of real models in real workers: they add up, are right, and keep to the time."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from sklearn.tree import DecisionTreeClassifier

from modelyard.control.captures.errors import ColumnMaskedError, InferenceNotFoundError
from modelyard.control.endpoints.errors import VariantNotFoundError
from modelyard.control.evaluation.asking import RunningModels
from modelyard.control.evaluation.comparing import ComparisonService, Match
from modelyard.control.evaluation.errors import ColumnUnknownError, NothingCapturedError
from modelyard.control.evaluation.reading import EvaluationReader
from modelyard.control.evaluation.service import Window
from modelyard.control.explanations.background import Backgrounds
from modelyard.control.explanations.errors import ExplanationImpossibleError, ExplanationTooSlowError
from modelyard.control.explanations.service import ExplanationService, Wish
from modelyard.control.feedback.service import NewTruth
from modelyard.dataplane.errors import EndpointNotReadyError
from modelyard.runtimes.background import read_background, write_background
from modelyard.runtimes.bundle import write_golden, write_manifest
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.golden import make_golden
from modelyard.runtimes.tensors import to_json, to_raw
from modelyard.testing.scripted_model import start_scripted
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.evaluation.explanations import ExplanationMethod
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard
from modelyard.types.signatures import DataType, Signature, TensorSpec
from modelyard.types.tensors import GoldenRequest, GoldenSet

WIDE = 15
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(300, WIDE)).astype(np.float32)
CURVED = (np.sin(ROWS[:, 0] * 2) + ROWS[:, 1] * ROWS[:, 2] + ROWS[:, 3]).astype(np.float32)


@pytest.fixture(scope="module")
def models():
    return SimpleNamespace(
        line=LinearRegression().fit(ROWS[:, :2], 3 * ROWS[:, 0] - 2 * ROWS[:, 1] + 1),
        network=MLPRegressor(hidden_layer_sizes=(16,), max_iter=60, tol=1.0, random_state=0).fit(ROWS, CURVED),
        stump=DecisionTreeClassifier(max_depth=2).fit(ROWS, (CURVED > 0).astype(np.int64)),
        forest=RandomForestClassifier(15, max_depth=6, random_state=0).fit(ROWS, (CURVED > 0).astype(np.int64)),
    )


def make_bundle(folder, model, width, *, has_background=True):
    folder.mkdir()
    names = tuple(f"c{index}" for index in range(width))
    options = {"zipmap": False} if hasattr(model, "classes_") else None
    (folder / "model.onnx").write_bytes(to_onnx(model, ROWS[:1, :width], options=options).SerializeToString())
    inputs = (TensorSpec(name="X", datatype=DataType.FP32, shape=(-1, width), columns=names),)
    outputs = (
        TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,)),
        TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("0", "1")),
    )
    if options is None:
        outputs = (TensorSpec(name="variable", datatype=DataType.FP32, shape=(-1, 1)),)
    signature = Signature(inputs=inputs, outputs=outputs)
    card = ModelCard(task="tabular-regression")
    write_manifest(
        folder,
        Manifest(artifact="model.onnx", artifact_format=ArtifactFormat.ONNX, signature=signature, card=card),
    )
    predictor = runtime_for(ArtifactFormat.ONNX).load(folder / "model.onnx", signature)
    write_golden(folder, make_golden(predictor, {"X": ROWS[:, :width]}))
    if has_background:
        write_background(folder, {"X": ROWS[:, :width]})
    return folder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory, models):
    folder = tmp_path_factory.mktemp("bundles")
    return {
        "line": make_bundle(folder / "line", models.line, 2, has_background=False),
        "network": make_bundle(folder / "network", models.network, WIDE),
        "forest": make_bundle(folder / "forest", models.forest, WIDE),
        "stump": make_bundle(folder / "stump", models.stump, WIDE),
        "slow": scripted_bundle(folder / "slow"),
    }


def scripted_bundle(folder):
    """The golden request of the scripted model, which answers two numbers a row."""
    folder.mkdir()
    asked = to_json("x", np.array([[1, 0, 0]], dtype=np.float32))
    write_golden(folder, GoldenSet(requests=(GoldenRequest(inputs=(asked,), outputs=()),)))
    return folder


@pytest.fixture(scope="module")
def serving(tmp_path_factory, bundles):
    with Serving(tmp_path_factory.mktemp("serving")) as serving:
        workers = {name: serving.start_worker(name, bundle) for name, bundle in bundles.items() if name != "slow"}
        slow = start_scripted(serving, "slow")
        serving.publish(
            *(endpoint(name, variant(worker, model=name)) for name, worker in workers.items()),
            endpoint("slow", variant(slow, model="slow")),
            endpoint("empty", reason="its model is being loaded"),
            endpoint(
                "duel",
                variant(workers["forest"], model="forest"),
                variant(workers["stump"], model="stump", name="canary", weight=0.1),
            ),
        )
        yield serving


@pytest.fixture
def explain(world, serving, bundles):
    """`explain(endpoint, inference or columns...)`."""
    for name in (*bundles, "empty"):
        world.endpoints.deploy(name, name, 1)
    registry = SimpleNamespace(
        model_version=lambda _project, ref: SimpleNamespace(model=ref.split(":")[0], number=1, digest="")
    )
    cache = SimpleNamespace(fetch=lambda _project, model, _number, _digest: bundles[model])
    running = RunningModels(serving.folder / "routing.json")
    service = ExplanationService(world.endpoints, world.captures, running, Backgrounds(registry, cache, world.captures))
    return lambda name, **wish: service.explain("default", name, Wish(**wish))


def by_name(found):
    return {each.feature: each.value for each in found.contributions}


def assert_adds_up(found):
    assert found.base + sum(each.value for each in found.contributions) == pytest.approx(found.answer, abs=1e-5)


def test_a_linear_model_gets_its_closed_form_against_its_golden_rows(explain, bundles, models):
    found = explain("line", columns={"c0": 2.0, "c1": -1.0})
    assert (found.version, found.method, found.background) == ("line:1", ExplanationMethod.EXACT, "golden")
    golden = ROWS[np.linspace(0, 299, 8).round().astype(int), :2]
    expected = models.line.coef_ * (np.array([2.0, -1.0]) - golden.mean(axis=0))
    assert [by_name(found)[name] for name in ("c0", "c1")] == pytest.approx(expected, abs=1e-4)
    assert found.answer == pytest.approx(float(models.line.predict([[2.0, -1.0]])[0]), abs=1e-4)
    assert {each.feature: each.input for each in found.contributions} == {"c0": 2.0, "c1": -1.0}
    assert found.sentence.startswith("Prediction is 9, on 8 golden rows")
    assert read_background(bundles["line"]) is None
    assert_adds_up(found)


def test_a_forest_is_explained_exactly_by_its_trees_in_probabilities(explain, models):
    row = dict(zip((f"c{index}" for index in range(WIDE)), ROWS[7].tolist(), strict=True))
    found = explain("forest", columns=row, target="1")
    assert (found.method, found.unit, found.output) == ("trees", "probability", "probability of '1'")
    assert (found.background, found.background_rows, found.asked_rows) == ("training", 64, 1 + 65)
    background = ROWS[np.linspace(0, 299, 64).round().astype(int)]
    assert found.answer == pytest.approx(models.forest.predict_proba(ROWS[7:8])[0, 1], abs=1e-5)
    assert found.base == pytest.approx(models.forest.predict_proba(background)[:, 1].mean(), abs=1e-5)
    assert {each.standard_error for each in found.contributions} == {0.0}
    assert_adds_up(found)
    sampled = explain("forest", columns=row, target="1", method=ExplanationMethod.SAMPLED, seconds=3)
    assert sampled.answer == pytest.approx(found.answer, abs=1e-5)
    if sampled.background_rows == 64:
        for each in sampled.contributions:
            assert abs(each.value - by_name(found)[each.feature]) <= 5 * each.standard_error + 1e-4


def test_a_black_box_is_sampled_adds_up_and_keeps_to_the_time(explain, models):
    started = time.monotonic()
    found = explain("network", inputs={"X": ROWS[:3].tolist()}, row=2, seconds=1.5)
    assert time.monotonic() - started < 3
    assert (found.method, found.row, len(found.contributions)) == ("sampled", 2, WIDE)
    assert found.answer == pytest.approx(float(models.network.predict(ROWS[2:3])[0]), abs=1e-4)
    assert found.asked_rows > 100
    assert_adds_up(found)


def test_a_captured_request_is_explained_by_the_version_that_answered_it(explain, world):
    records = world.records(1, endpoint="line")
    world.write(records)
    world.ingest.run_once()
    with pytest.raises(VariantNotFoundError) as caught:  # points:1 answered, and does not run
        explain("line", inference=records[0].id)
    assert "line:1" in caught.value.hint
    with pytest.raises(ExplanationImpossibleError) as caught:  # it calls its tensor "numeric"
        explain("line", inference=records[0].id, variant="main")
    assert caught.value.field == "variant"
    with pytest.raises(InferenceNotFoundError):
        explain("line", inference="inf-unknown")


def test_traffic_is_the_background_of_a_version_that_keeps_none(explain, world, models):
    made = [
        replace(record, model="line", inputs=(to_raw("X", ROWS[index : index + 1, :2]),))
        for index, record in enumerate(world.records(30, endpoint="line"))
    ]
    world.write(made)
    world.ingest.run_once()
    found = explain("line", inference=made[3].id)
    assert (found.background, found.background_rows, found.inference) == ("traffic", 30, made[3].id)
    expected = models.line.coef_ * (ROWS[3, :2] - ROWS[:30, :2].mean(axis=0))
    assert [by_name(found)[name] for name in ("c0", "c1")] == pytest.approx(expected, abs=1e-4)


def masked_line(world, masked, rows):
    made = [
        replace(record, model="line", masked=masked, inputs=(to_raw("X", rows[index : index + 1, :2]),))
        for index, record in enumerate(world.records(len(rows), endpoint="line"))
    ]
    world.write(made)
    world.ingest.run_once()
    return made


def test_a_request_whose_inputs_were_masked_is_not_explained(explain, world):
    hidden = masked_line(world, ("c1",), ROWS[:30])
    with pytest.raises(ColumnMaskedError) as caught:
        explain("line", inference=hidden[3].id)
    assert "'c1'" in caught.value.message
    answered = masked_line(world, ("variable",), ROWS[:1])
    found = explain("line", inference=answered[0].id)
    assert found.background == "golden"  # masked rows are no background either
    assert_adds_up(found)


WIDE_ROW = {"X": ROWS[:1].tolist()}


@pytest.mark.parametrize(
    ("name", "wish", "error"),
    [
        ("line", {"columns": {"c9": 1.0}}, ColumnUnknownError),
        ("line", {"columns": {"c0": 1.0, "c1": 1.0}, "row": 1}, ExplanationImpossibleError),
        ("line", {"columns": {"c0": 1.0, "c1": 1.0}, "method": ExplanationMethod.TREES}, ExplanationImpossibleError),
        (
            "network",
            {"inputs": WIDE_ROW, "method": ExplanationMethod.EXACT},
            ExplanationImpossibleError,
        ),
        ("forest", {"inputs": WIDE_ROW, "target": "7"}, ExplanationImpossibleError),
        ("empty", {"columns": {}}, EndpointNotReadyError),
        ("slow", {"columns": {"value": 1.0, "seconds": 0.0, "act": 0.0}}, ExplanationImpossibleError),
    ],
)
def test_what_cannot_be_explained_is_refused_with_the_reason(explain, name, wish, error):
    with pytest.raises(error) as caught:
        explain(name, **wish)
    assert caught.value.hint


def test_too_little_time_is_said_so(explain):
    with pytest.raises(ExplanationTooSlowError):
        explain("network", inputs=WIDE_ROW, seconds=1e-6)


@pytest.fixture
def compare(world, serving):
    world.endpoints.deploy("duel", "forest", 1)
    reader = EvaluationReader(world.captures, world.feedback, world.registry)
    running = RunningModels(serving.folder / "routing.json")
    service = ComparisonService(reader, running, world.endpoints, world.clock)
    return lambda rows=10_000, **match: service.compare(
        "default", "duel", Window(length="1h", rows=rows), Match(**match)
    )


def captured_duel(world, models, answers=None, masked=()):
    """200 rows that the forest answered; the truth is what the curve says."""
    rows, truth = ROWS[:200], (CURVED[:200] > 0).astype(int)
    given = models.forest.predict(rows) if answers is None else answers
    probabilities = models.forest.predict_proba(rows).astype(np.float32)
    made = [
        replace(
            record,
            model="forest",
            masked=masked,
            inputs=(to_raw("X", rows[index : index + 1]),),
            outputs=(
                to_raw("label", given[index : index + 1]),
                to_raw("probabilities", probabilities[index : index + 1]),
            ),
        )
        for index, record in enumerate(world.records(200, endpoint="duel"))
    ]
    world.write(made)
    world.ingest.run_once()
    truths = [NewTruth(record.id, [int(value)]) for record, value in zip(made, truth, strict=True)]
    world.feedback.record("default", "duel", truths)
    return rows, truth


def test_the_challenger_answers_what_the_champion_answered_then(compare, world, models):
    rows, truth = captured_duel(world, models)
    found = compare(challenger="canary", slices=("c3",))
    champion, challenger = models.forest.predict(rows), models.stump.predict(rows)
    assert (found.champion, found.challenger, found.is_cut) == ("forest:1", "stump:1", False)
    result = found.challenge
    assert (result.rows, result.labelled) == (200, 200)
    expected = (challenger == truth).mean() - (champion == truth).mean()
    assert result.difference.value == pytest.approx(expected)
    assert result.differing.value == pytest.approx((champion != challenger).mean())
    assert result.difference.high < 0
    assert result.p_value < 0.01
    assert len(result.slices) == 4
    assert result.slices[0].difference.value == min(each.difference.value for each in result.slices)
    assert "worse" in result.sentence


def test_captured_answers_of_a_version_count_as_they_were_given(compare, world, models):
    captured_duel(world, models, answers=np.zeros(200, dtype=np.int64))
    found = compare(challenger="stump:1", champion="forest:1", rows=60)
    assert found.is_cut
    figures = {figure.name: figure.value for figure in found.challenge.champion}
    truth = (CURVED[140:200] > 0).astype(int)
    assert (found.challenge.rows, figures["accuracy"]) == (60, pytest.approx((truth == 0).mean()))


def test_masked_requests_are_left_out_of_a_comparison_and_counted(compare, world, models):
    captured_duel(world, models, masked=("c3",))
    with pytest.raises(ColumnMaskedError) as caught:
        compare(challenger="canary")
    assert "'c3'" in caught.value.message
    captured_duel(world, models)
    found = compare(challenger="canary")
    assert (found.challenge.rows, found.masked_rows, found.masked) == (200, 200, ("c3",))


def test_masked_answers_are_asked_for_again(compare, world, models):
    captured_duel(world, models, answers=np.zeros(200, dtype=np.int64), masked=("label",))
    rows, truth = ROWS[:200], (CURVED[:200] > 0).astype(int)
    figures = {figure.name: figure.value for figure in compare(challenger="canary").challenge.champion}
    assert figures["accuracy"] == pytest.approx((models.forest.predict(rows) == truth).mean())


def test_a_comparison_without_rows_or_with_a_strange_column_is_refused(compare, world, models):
    with pytest.raises(NothingCapturedError):
        compare(challenger="canary")
    captured_duel(world, models)
    with pytest.raises(ColumnUnknownError):
        compare(challenger="canary", slices=("town",))
    with pytest.raises(VariantNotFoundError):
        compare(challenger="stump:9")
    with pytest.raises(NothingCapturedError):
        compare(challenger="canary", seconds=1e-9)
