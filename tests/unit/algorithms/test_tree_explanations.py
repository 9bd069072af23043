"""Exact tree explanations: read out of real bundles, equal to the enumeration of all coalitions of the same trees."""

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

from modelyard.algorithms.explanations.graphs import find_link, read_trees
from modelyard.algorithms.explanations.players import find_players, mixed
from modelyard.algorithms.explanations.shapley import exact
from modelyard.algorithms.tables.tensors import CATEGORICAL, NUMERIC
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.signatures import DataType, Signature, TensorSpec

ROWS = 400
CLASSES = {"binary": 2, "classes": 3}


def made_table(task):
    """Numbers with gaps, a category, and a target that needs them together; as CSV and as tensors."""
    random = np.random.default_rng(1)
    numbers = random.normal(size=(ROWS, 3)).astype(np.float32)
    numbers[random.random((ROWS, 3)) < 0.1] = np.nan
    town = np.array(["Delft", "Gent", ""], dtype=object)[random.integers(0, 3, ROWS)]
    score = np.nan_to_num(numbers[:, 0]) * np.where(town == "Gent", 2, -1) + np.abs(np.nan_to_num(numbers[:, 1]))
    count = CLASSES.get(task)
    edges = np.quantile(score, np.linspace(0, 1, (count or 2) + 1)[1:-1])
    target = score if count is None else np.array([f"class{c}" for c in np.searchsorted(edges, score)])
    lines = [
        ",".join(["" if np.isnan(value) else repr(float(value)) for value in row] + [name, str(goal)])
        for row, name, goal in zip(numbers, town, target, strict=True)
    ]
    return "a,b,c,town,goal\n" + "\n".join(lines), {NUMERIC: numbers, CATEGORICAL: town[:, None]}


@pytest.fixture
def train_trees(workshop):
    def train(task):
        text, tensors = made_table(task)
        algorithm = f"boosted-trees-{'regression' if task == 'regression' else 'classification'}"
        bundle, _ = workshop.train(
            algorithm, workshop.csv(text), target="goal", hyperparameters={"rounds": 25, "max_depth": 4}
        )
        return bundle, tensors

    return train


@pytest.fixture
def train_linear(workshop):
    def train():
        text, tensors = made_table("regression")
        return workshop.train("linear-regression", workshop.csv(text), target="goal")[0], tensors

    return train


def check(trees, signature, row, background, outputs, target=0):
    """SHAP values of the trees are those of the enumeration, and add up to the model's own answers."""
    players = find_players(signature, row)
    every = {name: np.concatenate([row[name], rest]) for name, rest in background.items()}
    sums = trees.ensemble.answers(trees.features(every))
    link = find_link(sums, outputs, target)
    assert link is not None
    owner = trees.owners(players, row, background)
    assert owner is not None
    found = trees.ensemble.shap_values(trees.features(row)[0], trees.features(background), owner, len(players))

    def game(coalitions):
        answers = trees.ensemble.answers(trees.features(mixed(players, row, background, coalitions)))
        return (answers @ link.weights).reshape(len(coalitions), -1).mean(axis=1)

    expected = exact(len(players), game)
    assert found @ link.weights == pytest.approx(expected.values, abs=1e-9)
    worth = sums @ link.weights
    assert (found @ link.weights).sum() == pytest.approx(worth[0] - worth[1:].mean(), abs=1e-9)
    return link, found @ link.weights


@pytest.mark.parametrize("task", ["regression", "binary", "classes"])
def test_the_trees_of_a_trained_bundle_are_explained_exactly(task, train_trees):
    bundle, tensors = train_trees(task)
    manifest, predictor = load_bundle(bundle)
    row = {name: tensor[:1] for name, tensor in tensors.items()}
    background = {name: tensor[1:25] for name, tensor in tensors.items()}
    outputs = predictor.predict({name: tensor[:25] for name, tensor in tensors.items()})
    trees = read_trees(bundle / manifest.artifact)
    link, values = check(trees, manifest.signature, row, background, outputs, target=1)
    if task == "regression":
        assert link.unit == "prediction"
        prediction = outputs["prediction"].astype(float)
        assert values.sum() == pytest.approx(prediction[0] - prediction[1:].mean(), rel=1e-4)
    elif task == "binary":
        assert link.unit == "log-odds"
        odds = np.log(outputs["probabilities"][:, 1].astype(float) / outputs["probabilities"][:, 0])
        assert values.sum() == pytest.approx(odds[0] - odds[1:].mean(), rel=1e-3)
    else:
        assert link.unit == "margin"
        logs = np.log(outputs["probabilities"].astype(float))
        margin = logs[:, 1] - logs.mean(axis=1)
        assert values.sum() == pytest.approx(margin[0] - margin[1:].mean(), rel=1e-3)


def test_a_forest_from_elsewhere_is_explained_in_probabilities(tmp_path):
    random = np.random.default_rng(3)
    features = random.normal(size=(300, 5)).astype(np.float32)
    labels = (features[:, 0] * features[:, 1] > 0).astype(np.int64)
    forest = RandomForestClassifier(20, max_depth=6, random_state=0).fit(features, labels)
    (tmp_path / "forest.onnx").write_bytes(to_onnx(forest, features[:1], options={"zipmap": False}).SerializeToString())
    trees = read_trees(tmp_path / "forest.onnx")
    signature = Signature(
        inputs=(TensorSpec(name="X", datatype=DataType.FP32, shape=(-1, 5), columns=tuple("abcde")),), outputs=()
    )
    outputs = {"label": labels[:31], "probabilities": forest.predict_proba(features[:31])}
    link, values = check(trees, signature, {"X": features[:1]}, {"X": features[1:31]}, outputs, target=1)
    assert link.unit == "probability"
    assert values.sum() == pytest.approx(outputs["probabilities"][0, 1] - outputs["probabilities"][1:, 1].mean())


def test_trees_that_are_not_the_model_are_not_taken_for_it(train_trees):
    bundle, tensors = train_trees("regression")
    manifest, predictor = load_bundle(bundle)
    trees = read_trees(bundle / manifest.artifact)
    sums = trees.ensemble.answers(trees.features(tensors))
    outputs = predictor.predict(tensors)
    assert find_link(sums, outputs, 0) is not None
    assert find_link(sums, {"prediction": outputs["prediction"] + 1}, 0) is None


def test_a_model_without_trees_has_none(train_linear):
    bundle, _ = train_linear()
    manifest, _ = load_bundle(bundle)
    assert read_trees(bundle / manifest.artifact) is None
    assert {spec.name for spec in manifest.signature.inputs} == {NUMERIC, CATEGORICAL}
