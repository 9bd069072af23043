"""One small fitted model of every scikit-learn estimator that skl2onnx names, and pipelines as people write them."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from skl2onnx._supported_operators import sklearn_operator_name_map
from sklearn import ensemble, feature_selection, linear_model, model_selection, multiclass, multioutput, neighbors
from sklearn.base import is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators

from modelyard.runtimes.base import Predictor
from modelyard.runtimes.formats.answers import classifier_outputs
from modelyard.runtimes.formats.skops import SkopsPredictor, estimator_signature
from modelyard.types.signatures import DataType, Signature, TensorSpec

FLOWERS, SPECIES = load_iris(return_X_y=True)
PATIENTS, PROGRESS = load_diabetes(return_X_y=True)
FLOWERS, PATIENTS = FLOWERS.astype(np.float32), PATIENTS[:, :4].astype(np.float32)

NO_TABLE = {
    "CountVectorizer": "takes texts",
    "DictVectorizer": "takes dictionaries",
    "FeatureHasher": "takes dictionaries",
    "TfidfVectorizer": "takes texts",
    "LabelBinarizer": "prepares targets",
    "LabelEncoder": "prepares targets",
    "KernelCenterer": "takes a kernel matrix",
    "LocalOutlierFactor": "answers only the rows that it was fitted on, unless novelty=True",
    "NearestNeighbors": "answers neighbours, no prediction",
}
"""Estimators that do not make a table of numbers into an answer."""

_COUNTS = (np.abs(FLOWERS) * 2).astype(int).astype(np.float32)
_TWO = SPECIES == 1


def _logistic() -> Any:
    return LogisticRegression(max_iter=1000)


def _tree(depth: int = 3) -> Any:
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


_SPECIAL: dict[str, Callable[[], Any]] = {
    "ColumnTransformer": lambda: make_pipeline(
        ColumnTransformer([("scaled", StandardScaler(), [0, 1]), ("as it is", "passthrough", [2, 3])]), _logistic()
    ),
    "FeatureUnion": lambda: make_pipeline(
        FeatureUnion([("scaled", StandardScaler()), ("raw", "passthrough")]), _logistic()
    ),
    "GaussianRandomProjection": lambda: _in_pipeline("GaussianRandomProjection", n_components=2),
    "GridSearchCV": lambda: model_selection.GridSearchCV(_logistic(), {"C": [0.1, 1.0]}, cv=2),
    "IsolationForest": lambda: ensemble.IsolationForest(n_estimators=10, random_state=0),
    "KBinsDiscretizer": lambda: _in_pipeline(
        "KBinsDiscretizer", encode="ordinal", quantile_method="averaged_inverted_cdf"
    ),
    "MultiOutputClassifier": lambda: multioutput.MultiOutputClassifier(_logistic()),
    "MultiOutputRegressor": lambda: multioutput.MultiOutputRegressor(Ridge()),
    "OneHotEncoder": lambda: _in_pipeline("OneHotEncoder", handle_unknown="ignore", sparse_output=False),
    "OneVsOneClassifier": lambda: multiclass.OneVsOneClassifier(_logistic()),
    "OneVsRestClassifier": lambda: multiclass.OneVsRestClassifier(_logistic()),
    "OrdinalEncoder": lambda: _in_pipeline("OrdinalEncoder", handle_unknown="use_encoded_value", unknown_value=-1),
    "Pipeline": lambda: Pipeline([("scaler", StandardScaler()), ("model", _logistic())]),
    "QuantileTransformer": lambda: _in_pipeline("QuantileTransformer", n_quantiles=10),
    "RadiusNeighborsClassifier": lambda: neighbors.RadiusNeighborsClassifier(radius=5, outlier_label=0),
    "RadiusNeighborsRegressor": lambda: neighbors.RadiusNeighborsRegressor(radius=5),
    "RFE": lambda: make_pipeline(feature_selection.RFE(_tree(), n_features_to_select=2), _logistic()),
    "RFECV": lambda: make_pipeline(feature_selection.RFECV(_tree(), cv=2), _logistic()),
    "SelectFromModel": lambda: make_pipeline(feature_selection.SelectFromModel(_tree()), _logistic()),
    "StackingClassifier": lambda: ensemble.StackingClassifier([("a", _logistic()), ("b", _tree())], cv=2),
    "StackingRegressor": lambda: ensemble.StackingRegressor(
        [("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3, random_state=0))], cv=2
    ),
    "TunedThresholdClassifierCV": lambda: model_selection.TunedThresholdClassifierCV(_logistic(), cv=2),
    "VotingClassifier": lambda: ensemble.VotingClassifier([("a", _logistic()), ("b", _tree())], voting="soft"),
    "VotingRegressor": lambda: ensemble.VotingRegressor(
        [("a", linear_model.LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3, random_state=0))]
    ),
}
_BINARY = ("TargetEncoder", "GaussianProcessClassifier", "TunedThresholdClassifierCV")
_COUNTED = ("CategoricalNB", "MultinomialNB", "ComplementNB", "OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
_SEVERAL_TARGETS = ("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV")


def supported() -> list[str]:
    """Names of the public estimators of scikit-learn for which skl2onnx has a converter."""
    return sorted(name for name, kind in _kinds().items() if kind in sklearn_operator_name_map)


@functools.cache
def _kinds() -> dict[str, type]:
    return dict(all_estimators())


def fitted(name: str) -> tuple[Predictor, Any, Signature, dict[str, np.ndarray]]:
    """A small model of that estimator (transformers in front of a logistic regression), its signature, real rows."""
    estimator = _SPECIAL[name]() if name in _SPECIAL else _plain(name)
    rows, target = _data(name, estimator)
    estimator.fit(rows, target)
    signature = estimator_signature(estimator)
    return SkopsPredictor(estimator, signature, threads=1), estimator, signature, {"numeric": rows}


def _data(name: str, estimator: Any) -> tuple[np.ndarray, np.ndarray]:
    if name in _SEVERAL_TARGETS or name == "MultiOutputRegressor":
        return PATIENTS, np.stack([PROGRESS, -PROGRESS], axis=1)
    if name == "MultiOutputClassifier":
        return FLOWERS, np.stack([SPECIES, SPECIES], axis=1)
    if is_regressor(estimator):
        return PATIENTS, PROGRESS
    return (_COUNTS if name in _COUNTED else FLOWERS), (_TWO.astype(int) if name in _BINARY else SPECIES)


def _plain(name: str) -> Any:
    kind = _kinds()[name]
    return _seeded(kind()) if hasattr(kind, "predict") else _in_pipeline(name)


def _in_pipeline(name: str, **settings: Any) -> Any:
    return make_pipeline(_seeded(_kinds()[name](**settings)), _logistic())


def _seeded(estimator: Any) -> Any:
    has_seed = "random_state" in inspect.signature(type(estimator)).parameters
    return estimator.set_params(random_state=0) if has_seed else estimator


class MixedPredictor(Predictor):
    """A pipeline over numeric and text columns, which scikit-learn takes side by side in an array of objects."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def predict(self, inputs: Any) -> dict[str, np.ndarray]:
        numbers = inputs["numeric"].astype(object)
        data = np.concatenate([numbers, inputs["categorical"]], axis=1)
        return {
            "label": self._estimator.predict(data),
            "probabilities": self._estimator.predict_proba(data).astype(np.float32),
        }


def _mixed(encoder: Any, model: Any) -> tuple[Predictor, Any, Signature, dict[str, np.ndarray]]:
    """Numbers with gaps, imputed and scaled; texts, encoded."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(200, 2)).astype(np.float32)
    numbers[random.random(numbers.shape) < 0.1] = np.nan
    texts = random.choice(np.array(["delft", "gouda", "edam"], dtype=object), (200, 2))
    target = (np.nan_to_num(numbers[:, 0]) + (texts[:, 0] == "delft") > 0.3).astype(np.int64)
    columns = ColumnTransformer(
        [("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1]), ("texts", encoder, [2, 3])]
    )
    estimator = make_pipeline(columns, model)
    estimator.fit(np.concatenate([numbers.astype(object), texts], axis=1), target)
    signature = Signature(
        inputs=(
            TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), allows_missing=True),
            TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 2)),
        ),
        outputs=classifier_outputs(["0", "1"]),
    )
    return MixedPredictor(estimator), estimator, signature, {"numeric": numbers, "categorical": texts}


PIPELINES = {
    "columns: impute, scale, one-hot; logistic regression": lambda: _mixed(
        OneHotEncoder(handle_unknown="ignore"), _logistic()
    ),
    "columns: impute, scale, one-hot; random forest": lambda: _mixed(
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        ensemble.RandomForestClassifier(20, random_state=0, n_jobs=1),
    ),
    "columns: impute, scale, ordinal codes; gradient boosting": lambda: _mixed(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        ensemble.GradientBoostingClassifier(n_estimators=20, random_state=0),
    ),
}
"""Pipelines over mixed columns; the parity check sends them categories that they have not seen."""
