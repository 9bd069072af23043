import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from modelyard.algorithms.errors import ColumnsInvalidError, TargetInvalidError, TargetNotFoundError, TooFewRowsError
from modelyard.drift.reference import ReferenceSketch
from modelyard.runtimes.bundle import REFERENCE, load_bundle, read_golden
from modelyard.runtimes.golden import mismatches
from modelyard.runtimes.validate import check_inputs
from modelyard.types.datasets import DatasetFormat

CLASSIFIERS = ("boosted-trees-classification", "linear-classification")
REGRESSORS = ("boosted-trees-regression", "linear-regression")
FAST = {"boosted-trees-classification": {"rounds": 40}, "boosted-trees-regression": {"rounds": 60}}
FAST |= {
    "forest-classification": {"trees": 30, "random_thresholds": True},
    "forest-regression": {"trees": 30, "max_features": 0.5},
    "ensemble-classification": {
        "members": '[{"algorithm": "linear-classification", "weight": 3}, '
        '{"algorithm": "forest-classification", "hyperparameters": {"trees": 20}}, '
        '{"algorithm": "boosted-trees-classification", "hyperparameters": {"rounds": 30}}]',
        "sharpness": 1.5,
    },
    "ensemble-regression": {
        "members": '[{"algorithm": "linear-regression", "weight": 3}, '
        '{"algorithm": "boosted-trees-regression", "hyperparameters": {"rounds": 60}}]'
    },
}


def table(kind, rows=600, seed=0):
    """Numbers with gaps, categories, numbers stored as text, and columns of no use; the target is "bought"."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3))
    colour = random.choice(["red", "green", "blue"], rows)
    score = 2 * x[:, 0] + x[:, 1] + 1.5 * (colour == "red")
    target = {
        "two": np.where(score > 0.5, "yes", "no"),
        "three": np.digitize(score, [-1, 1]),
        "number": np.round(1000 + 10 * score, 2),
    }[kind]
    lines = ["x0,x1,x2,age,colour,customer,empty,constant,joined,bought"]
    for i in range(rows):
        numbers = ["" if random.random() < 0.05 else f"{value:.4f}" for value in x[i]]
        age = "unknown" if i % 25 == 0 else str(random.integers(18, 90))
        shade = "" if random.random() < 0.1 else colour[i]
        known = "" if i % 100 == 0 else str(target[i])
        lines.append(",".join([*numbers, age, shade, f"u{i}", "", "7", f"2024-01-{i % 28 + 1:02}", known]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("name", "kind", "metric", "least"),
    [
        ("boosted-trees-classification", "two", "accuracy", 0.8),
        ("boosted-trees-classification", "three", "accuracy", 0.7),
        ("linear-classification", "two", "accuracy", 0.85),
        ("linear-classification", "three", "accuracy", 0.75),
        ("forest-classification", "two", "accuracy", 0.8),
        ("forest-classification", "three", "accuracy", 0.7),
        ("ensemble-classification", "three", "accuracy", 0.75),
        ("boosted-trees-regression", "number", "r2", 0.8),
        ("forest-regression", "number", "r2", 0.8),
        ("ensemble-regression", "number", "r2", 0.85),
        ("linear-regression", "number", "r2", 0.85),
    ],
)
def test_a_messy_table_is_learnt_reported_and_served_alike(workshop, name, kind, metric, least):
    folder, figures = workshop.train(
        name, workshop.csv(table(kind)), target="bought", hyperparameters=FAST.get(name, {}), seed=3
    )
    manifest, predictor = load_bundle(folder)
    assert figures[metric] >= least
    assert manifest.card.parity.is_equal
    assert mismatches(read_golden(folder), predictor.predict) == []
    reference = ReferenceSketch.from_json((folder / REFERENCE).read_bytes())
    assert (reference.errors is not None, bool(reference.calibrations)) == (kind == "number", kind != "number")
    numeric, categorical = manifest.signature.inputs
    assert (numeric.columns, categorical.columns) == (("x0", "x1", "x2", "age"), ("colour",))
    findings = " ".join(manifest.card.findings)
    assert "6 of 600 rows have no target 'bought'" in findings
    assert "Left out 'empty': every value is missing." in findings
    assert "Left out 'constant': every value is the same." in findings
    assert "Left out 'customer': free text or identifiers" in findings
    assert "Left out 'joined': dates" in findings
    assert "96 % of the values are numbers stored as text; 24 values are not (the first: 'unknown')" in findings
    assert "Missing values in 'colour'" in findings
    strange = {
        "numeric": np.array([[np.nan] * 4], dtype=np.float32),
        "categorical": np.array([["ultraviolet"]], dtype=object),
    }
    check_inputs(manifest.signature, strange)
    assert all(np.isfinite(answer).all() for answer in predictor.predict(strange).values() if answer.dtype.kind == "f")


def test_a_classifier_answers_in_the_words_of_the_target(workshop):
    for kind, names in (("two", ("no", "yes")), ("three", ("0", "1", "2"))):
        folder, _ = workshop.train("linear-classification", workshop.csv(table(kind)), target="bought", name=kind)
        signature = load_bundle(folder)[0].signature
        assert signature.class_names == names
        assert signature.outputs[0].datatype == ("BYTES" if kind == "two" else "INT64")


def test_parquet_with_typed_columns_trains_like_csv(workshop):
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    x = random.normal(size=300)
    columns = {
        "x": pa.array(x, pa.float32()),
        "flag": pa.array(x > 1),
        "kind": pa.array(random.choice(["a", "b"], 300)).dictionary_encode(),
        "won": pa.array(x > 0),
    }
    pq.write_table(pa.table(columns), workshop.folder / "t.parquet")
    folder, figures = workshop.train(
        "linear-classification", workshop.channel("t.parquet", DatasetFormat.PARQUET), target="won"
    )
    signature = load_bundle(folder)[0].signature
    assert figures["accuracy"] > 0.9
    assert signature.class_names == ("false", "true")
    assert (signature.inputs[0].columns, signature.inputs[1].columns) == (("x", "flag"), ("kind",))


def test_an_elastic_net_sets_the_weights_of_useless_columns_to_zero(workshop):
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 20))
    lines = [",".join(f"c{i}" for i in range(20)) + ",y"]
    lines += [",".join(f"{value:.5f}" for value in [*row, 3 * row[0]]) for row in x]
    channel = workshop.csv("\n".join(lines))
    given = {"l1_share": 1.0, "regularisation": 10.0}
    folder, figures = workshop.train("linear-regression", channel, target="y", hyperparameters=given)
    assert figures["r2"] > 0.98
    weights = numpy_helper.to_array(onnx.load(folder / "model.onnx").graph.initializer[-3])
    assert np.count_nonzero(np.abs(weights) > 1e-6) == 1


def test_a_solver_that_stops_too_early_is_reported(workshop):
    folder, _ = workshop.train(
        "linear-classification", workshop.csv(table("three")), target="bought", hyperparameters={"max_iterations": 2}
    )
    assert "The solver stopped at max_iterations (2)" in " ".join(load_bundle(folder)[0].card.findings)


def test_an_imbalanced_target_is_reported_and_balanced_weights_find_the_rare_class(workshop):
    random = np.random.default_rng(0)
    x = random.normal(size=1500)
    rare = x + random.normal(size=1500) > 3
    channel = workshop.csv("x,y\n" + "\n".join(f"{a:.5f},{int(b)}" for a, b in zip(x, rare, strict=True)))
    found = {}
    for weight in ("none", "balanced"):
        folder, found[weight] = workshop.train(
            "linear-classification", channel, target="y", hyperparameters={"class_weight": weight}, name=weight
        )
    assert "The classes are imbalanced: '0' has" in " ".join(load_bundle(folder)[0].card.findings)
    assert found["balanced"]["balanced_accuracy"] > found["none"]["balanced_accuracy"] + 0.1


def rows(header, *values, times=40):
    return header + "\n" + "\n".join(value.format(i=i, half=i + 0.5) for i in range(times) for value in values) + "\n"


@pytest.mark.parametrize("name", [*CLASSIFIERS, *REGRESSORS])
@pytest.mark.parametrize(
    ("text", "target", "error", "said"),
    [
        (rows("x,price", "{i},{i}"), "prices", TargetNotFoundError, "no column 'prices' to predict"),
        (rows("x,price", "{i},{i}"), None, TargetNotFoundError, "names no target"),
        (rows("x,y", "{i},"), "y", TargetInvalidError, "missing in every row"),
        (rows("x,y", "{i},5"), "y", TargetInvalidError, "single value"),
        (rows("x,y", "1,5", times=1), "y", (TooFewRowsError, TargetInvalidError), "1 row|single value"),
        (rows("y", "{i}"), "y", ColumnsInvalidError, "No column is left to predict 'y' from"),
        (rows("a,b,y", ",3,{i}"), "y", ColumnsInvalidError, "every value is missing. Left out 'b': every value is the"),
        (rows("id,y", "key-{i},1", "other-{i},2"), "y", ColumnsInvalidError, "free text or identifiers"),
        (
            rows("x,when", "{i},2024-01-02", "{i},2024-01-03"),
            "when",
            TargetInvalidError,
            "holds dates|holds no numbers",
        ),
    ],
)
def test_tables_that_cannot_be_learnt_are_refused_with_the_reason(workshop, name, text, target, error, said):
    with pytest.raises(error, match=said) as caught:
        workshop.train(name, workshop.csv(text), target=target)
    assert caught.value.hint


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_fractional_numbers_are_no_classes(workshop, name):
    with pytest.raises(TargetInvalidError, match="100 different fractional numbers") as caught:
        workshop.train(name, workshop.csv(rows("x,y", "{i},{half}", times=100)), target="y")
    assert "regression" in caught.value.hint


@pytest.mark.parametrize("name", REGRESSORS)
def test_words_are_no_numbers(workshop, name):
    with pytest.raises(TargetInvalidError, match=r"holds no numbers \(the first value is 'high'\)") as caught:
        workshop.train(name, workshop.csv(rows("x,y", "{i},high", "{i},low")), target="y")
    assert "classification" in caught.value.hint


def test_the_hint_names_the_column_that_was_meant(workshop):
    with pytest.raises(TargetNotFoundError) as caught:
        workshop.train("linear-regression", workshop.csv(rows("x,Price", "{i},{half}")), target="price ")
    assert caught.value.hint == "Did you mean 'Price'? It has 'x', 'Price'."
    assert caught.value.field == "target"


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_five_thousand_columns_train(workshop, name):
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 5000))
    header = ",".join(f"c{i}" for i in range(5000)) + ",y\n"
    body = "\n".join(",".join(f"{value:.3f}" for value in row) + (",a" if row[7] > 0 else ",b") for row in x)
    folder, _ = workshop.train(
        name,
        workshop.csv(header + body),
        target="y",
        hyperparameters={"rounds": 10} if name.startswith("boosted") else {},
    )
    assert load_bundle(folder)[0].signature.inputs[0].shape == (-1, 5000)
