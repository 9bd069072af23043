"""Every runtime keeps the contract, on models trained here by the frameworks themselves."""

from pathlib import Path

import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelyard.runtimes.base import Tensors
from modelyard.runtimes.catalog import runtime_for, sniff
from modelyard.testing.runtime import RuntimeCase, RuntimeConformance
from modelyard.types.models import ArtifactFormat

DATA = {
    name: (data.data.astype(np.float32), data.target)
    for name, data in {"multi": load_iris(), "binary": load_breast_cancer(), "value": load_diabetes()}.items()
}
PARAMETERS = {
    "xgboost": {"multi": "multi:softprob", "binary": "binary:logistic", "value": "reg:squarederror"},
    "lightgbm": {"multi": "multiclass", "binary": "binary", "value": "regression"},
}
ROWS = 20


def classes(probabilities: np.ndarray, names: np.ndarray) -> Tensors:
    if probabilities.ndim == 1:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    return {"label": names[probabilities.argmax(axis=1)], "probabilities": probabilities.astype(np.float32)}


def answers(kind: str, values: np.ndarray) -> Tensors:
    return {"prediction": values.astype(np.float32)} if kind == "value" else classes(values, np.arange(3))


def xgboost_case(kind: str, folder: Path, suffix: str) -> RuntimeCase:
    rows, target = DATA[kind]
    settings = {"objective": PARAMETERS["xgboost"][kind], "nthread": 1} | ({"num_class": 3} if kind == "multi" else {})
    booster = xgboost.train(settings, xgboost.DMatrix(rows, target), 8)
    booster.save_model(folder / f"model.{suffix}")
    artifact = (folder / f"model.{suffix}").rename(folder / "artifact")
    return known(ArtifactFormat.XGBOOST, artifact, rows, answers(kind, booster.predict(xgboost.DMatrix(rows[:ROWS]))))


def lightgbm_case(kind: str, folder: Path) -> RuntimeCase:
    rows, target = DATA[kind]
    settings = {"objective": PARAMETERS["lightgbm"][kind], "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(
        settings | ({"num_class": 3} if kind == "multi" else {}), lightgbm.Dataset(rows, target), 8
    )
    booster.save_model(folder / "artifact")
    return known(ArtifactFormat.LIGHTGBM, folder / "artifact", rows, answers(kind, booster.predict(rows[:ROWS])))


def skops_case(kind: str, folder: Path) -> RuntimeCase:
    rows, target = DATA[kind]
    if kind == "value":
        model = RandomForestRegressor(10, random_state=0, n_jobs=1).fit(rows, target)
        expected: Tensors = {"prediction": model.predict(rows[:ROWS]).astype(np.float32)}
    elif kind == "binary":
        model = HistGradientBoostingClassifier(max_iter=5).fit(rows, target)
        expected = classes(model.predict_proba(rows[:ROWS]), np.arange(2))
    else:
        names = np.array(["setosa", "versicolor", "virginica"], dtype=object)
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, names[target])
        expected = classes(model.predict_proba(rows[:ROWS]), names)
    skops.io.dump(model, folder / "artifact")
    return known(ArtifactFormat.SKOPS, folder / "artifact", rows, expected)


def onnx_case(folder: Path) -> RuntimeCase:
    rows, target = DATA["multi"]
    model = LogisticRegression(max_iter=500).fit(rows, target)
    (folder / "artifact").write_bytes(to_onnx(model, rows[:1], options={"zipmap": False}).SerializeToString())
    expected = classes(model.predict_proba(rows[:ROWS]), np.arange(3))
    return known(ArtifactFormat.ONNX, folder / "artifact", rows, expected, name="X")


def known(
    format: ArtifactFormat, artifact: Path, rows: np.ndarray, expected: Tensors, name: str = "numeric"
) -> RuntimeCase:
    return RuntimeCase(runtime=runtime_for(format), artifact=artifact, inputs={name: rows[:ROWS]}, expected=expected)


CASES = {
    "onnx": onnx_case,
    **{
        f"xgboost {kind} {suffix}": lambda f, k=kind, s=suffix: xgboost_case(k, f, s)
        for kind, suffix in [("multi", "ubj"), ("binary", "json"), ("value", "ubj")]
    },
    **{f"lightgbm {kind}": lambda f, k=kind: lightgbm_case(k, f) for kind in DATA},
    **{f"skops {kind}": lambda f, k=kind: skops_case(k, f) for kind in DATA},
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RuntimeCase:
    return CASES[request.param](tmp_path_factory.mktemp("artifact"))


class TestRuntimes(RuntimeConformance):
    def test_the_format_is_told_from_the_content(self, case: RuntimeCase) -> None:
        assert sniff(case.artifact) is case.runtime.format
