"""The models, made once from fixed seeds, and the right answers to the benchmark's rows.

Each is in two versions; the second is trained on the opposite labels, so that its answers tell it from the first.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import onnxruntime
import skops.io
from benchmarks.serving.places import MODELS
from benchmarks.serving.works import MIX_SIZE
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

FEATURES = 30
IMAGE = (1, 28, 28)
VERSIONS = (1, 2)
_ROWS = 200
_STAMP = "complete-1"


@dataclass(frozen=True)
class Sample:
    """Rows to send, and what each version must answer.

    Attributes:
        rows: the features of each row, flat.
        shape: of one row, as the model takes it.
        labels: version -> label of each row.
    """

    rows: list[list[float]]
    shape: tuple[int, ...]
    labels: dict[int, list[int]]

    def take(self, start: int, count: int) -> list[list[float]]:
        """`count` rows from `start` on, over the end again from the beginning."""
        return [self.rows[(start + index) % len(self.rows)] for index in range(count)]

    def answers(self, start: int, count: int, version: int = 1) -> list[int]:
        """The labels of `take(start, count)`."""
        labels = self.labels[version]
        return [labels[(start + index) % len(labels)] for index in range(count)]


def artifact(model: str, version: int, extension: str) -> Path:
    """A model file: extension joblib, skops or onnx."""
    return MODELS / model / str(version) / f"model.{extension}"


def mix_name(index: int) -> str:
    """The name of one of the twenty models of the mix."""
    return f"mix-{index:02d}"


def sample(model: str) -> Sample:
    """The rows of a model."""
    known = json.loads((MODELS / model / "sample.json").read_text())
    return Sample(
        known["rows"], tuple(known["shape"]), {int(number): labels for number, labels in known["labels"].items()}
    )


def ensure_models() -> None:
    """Make them if they are not there."""
    stamp = MODELS / _STAMP
    if stamp.exists():
        return
    table, target = make_classification(n_samples=6000, n_features=FEATURES, n_informative=15, random_state=7)
    # Four decimals that float32 holds: every runtime then gives the same answer.
    table = np.round(table, 4).astype(np.float32)
    train, test = table[:5000], table[5000 : 5000 + _ROWS]
    for version in VERSIONS:
        labels = target[:5000] if version == 1 else 1 - target[:5000]
        _save_estimator("linear", version, LogisticRegression(max_iter=2000).fit(train, labels), test)
        _save_estimator("forest", version, RandomForestClassifier(100, random_state=0).fit(train, labels), test)
    directions = np.random.default_rng(11).standard_normal((MIX_SIZE, FEATURES))
    for index, direction in enumerate(directions):
        for version in VERSIONS:
            labels = (train @ direction > 0) == (version == 1)
            _save_estimator(mix_name(index), version, LogisticRegression().fit(train, labels.astype(int)), test)
    _save_network()
    stamp.touch()


def _save_estimator(model: str, version: int, estimator: Any, rows: np.ndarray) -> None:
    artifact(model, version, "onnx").parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(estimator, artifact(model, version, "joblib"))
    skops.io.dump(estimator, artifact(model, version, "skops"))
    converted = to_onnx(estimator, rows[:1], options={id(estimator): {"zipmap": False}}, target_opset=18)
    artifact(model, version, "onnx").write_bytes(converted.SerializeToString())
    _save_sample(model, version, rows, (FEATURES,), estimator.predict(rows))


def _save_network() -> None:
    """Two convolutions and a dense layer with seeded weights; the second version negates the scores."""
    chance = np.random.default_rng(3)
    images = np.round(chance.random((64, *IMAGE)), 3).astype(np.float32)
    weights = {
        "first": chance.standard_normal((16, 1, 3, 3)) * 0.4,
        "second": chance.standard_normal((32, 16, 3, 3)) * 0.1,
        "dense": chance.standard_normal((10, 32 * 49)) * 0.04,
    }
    for version in VERSIONS:
        path = artifact("cnn", version, "onnx")
        path.parent.mkdir(parents=True, exist_ok=True)
        signed = {**weights, "dense": weights["dense"] * (1 if version == 1 else -1)}
        path.write_bytes(_network(signed).SerializeToString())
        labels = onnxruntime.InferenceSession(str(path)).run(["label"], {"image": images})[0]
        _save_sample("cnn", version, images.reshape(len(images), -1), IMAGE, labels)


def _network(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["c1"], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "second"], ["c2"], pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense"], ["scores"], transB=1),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "cnn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", *IMAGE])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def _save_sample(model: str, version: int, rows: np.ndarray, shape: tuple[int, ...], labels: np.ndarray) -> None:
    path = MODELS / model / "sample.json"
    known = json.loads(path.read_text()) if path.exists() else {"labels": {}}
    decimals = [[round(float(value), 4) for value in row] for row in rows]
    known |= {"rows": decimals, "shape": shape}
    known["labels"][str(version)] = [int(label) for label in labels]
    path.write_text(json.dumps(known))
