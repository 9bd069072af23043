"""Runs only where TensorFlow is installed (see conftest.py)."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.bundle import load_bundle
from modelyard.runtimes.foreign.inspect import inspect_program
from modelyard.types.models import ArtifactFormat

# TensorFlow and NumPy 2 do not quite agree on a protocol yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROWS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
WEIGHTS = np.arange(12, dtype=np.float32).reshape(4, 3)


class Module(tf.Module):
    """A matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(WEIGHTS)

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.matmul(x, self.weights)}


def save_module(folder: Path) -> None:
    module = Module()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def save_keras(folder: Path) -> None:
    layer = keras.layers.Dense(3, use_bias=False)
    model = keras.Sequential([keras.layers.Input((4,)), layer])
    layer.set_weights([WEIGHTS])
    model.save(folder / "model.keras")


def complete(folder: Path) -> None:
    x, y = ({"name": name, "datatype": "FP32", "shape": [-1, width]} for name, width in (("x", 4), ("y", 3)))
    (folder / "signature.json").write_text(json.dumps({"inputs": [x], "outputs": [y]}))
    (folder / "requirements.txt").write_text("tensorflow-cpu\nnumpy\n")


@pytest.mark.parametrize("save", [save_module, save_keras])
def test_a_model_is_completed_and_answers_as_its_weights_say(tmp_path: Path, save):
    save(tmp_path)
    complete(tmp_path)
    assert inspect_program(tmp_path).artifact_format is ArtifactFormat.TENSORFLOW
    predictor = load_bundle(tmp_path)[1]
    for rows in (1, 5):
        np.testing.assert_allclose(predictor.predict({"x": ROWS[:rows]})["y"], ROWS[:rows] @ WEIGHTS, rtol=1e-5)
    predictor.close()


def test_a_keras_file_with_a_lambda_is_refused(tmp_path: Path):
    keras.Sequential([keras.layers.Input((4,)), keras.layers.Lambda(lambda x: x * 2)]).save(tmp_path / "model.keras")
    complete(tmp_path)
    with pytest.raises(ArtifactInvalidError, match="Lambda"):
        inspect_program(tmp_path)
