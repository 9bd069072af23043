"""CatBoost's own files become versions, served as ONNX because that agrees. Run by `make test-catboost`."""

from pathlib import Path

import catboost
import numpy as np
import pytest
from sklearn.datasets import load_iris

from modelyard.runtimes.bundle import load_bundle, read_compilation, read_golden
from modelyard.runtimes.golden import mismatches
from modelyard.runtimes.inspect import inspect

ROWS, TARGET = load_iris(return_X_y=True)
ROWS = ROWS.astype(np.float32)
SETTINGS = {"iterations": 15, "verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": 0}
TARGETS = {
    "binary": (TARGET == 1).astype(int),
    "multi": TARGET,
    "names": np.array(["setosa", "versicolor", "virginica"])[TARGET],
    "value": ROWS[:, 0] * 3,
}


def trained(kind: str) -> catboost.CatBoost:
    model = catboost.CatBoostRegressor if kind == "value" else catboost.CatBoostClassifier
    return model(**SETTINGS).fit(ROWS, TARGETS[kind])


@pytest.mark.parametrize("suffix", ["cbm", "onnx"])
@pytest.mark.parametrize("kind", TARGETS)
def test_a_catboost_file_is_served_and_answers_as_catboost(kind: str, suffix: str, tmp_path: Path) -> None:
    model, bundle = trained(kind), tmp_path / "bundle"
    model.save_model(tmp_path / "model", format=suffix)
    bundle.mkdir()
    manifest = inspect(tmp_path / "model", bundle)
    answer = load_bundle(bundle)[1].predict({manifest.signature.inputs[0].name: ROWS})
    assert mismatches(read_golden(bundle), load_bundle(bundle)[1].predict) == []
    if kind == "value":
        assert answer["prediction"].shape == (len(ROWS),)
        np.testing.assert_allclose(answer["prediction"], model.predict(ROWS), rtol=1e-5)
    else:
        assert answer["label"].tolist() == model.predict(ROWS).reshape(-1).tolist()
        np.testing.assert_allclose(answer["probabilities"], model.predict_proba(ROWS), atol=1e-5)
    compilation = read_compilation(bundle)
    assert compilation is not None
    if suffix == "cbm":
        assert compilation.variant("onnx").rows > 500
        assert compilation.served.startswith("onnx")
