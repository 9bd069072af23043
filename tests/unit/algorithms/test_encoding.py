"""The NumPy and the ONNX form of the preprocessing agree on every kind of value."""

import numpy as np
import onnxruntime
import pytest

from modelyard.algorithms.graph import Graph
from modelyard.algorithms.images.features import feature_nodes, features, scaling_of
from modelyard.algorithms.tables.encoding import fit_encoder
from modelyard.algorithms.tables.tensors import input_specs
from modelyard.types.signatures import DataType, Signature, TensorSpec


def run(graph, output, inputs, specs):
    graph.add("Identity", output, output="features")
    spec = TensorSpec(name="features", datatype=DataType.FP32, shape=(-1, -1))
    content = graph.to_bytes(Signature(inputs=specs, outputs=(spec,)))
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(["features"], inputs)[0]


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    numeric = random.normal(50, 20, (200, 4)).astype(np.float32)
    numeric[random.random(numeric.shape) < 0.2] = np.nan
    numeric[:, 3] = 7.0
    categorical = random.choice(np.array(["", "a", "b", "é"], dtype=object), (200, 2))
    categorical[0, 0] = "once"
    return {"numeric": numeric, "categorical": categorical}


@pytest.mark.parametrize("is_scaled", [True, False])
def test_table_features_are_the_same_in_numpy_and_onnx(rows, is_scaled):
    encoder = fit_encoder(rows, max_categories=3, is_scaled=is_scaled)
    specs = input_specs(("w", "x", "y", "z"), ("c", "d"))
    unseen = {
        "numeric": np.array([[np.nan] * 4, [1e30, -1e30, 0, 8]], dtype=np.float32),
        "categorical": np.array([["never", ""], ["once", "é"]], dtype=object),
    }
    for batch in (rows, unseen):
        expected = encoder.transform(batch)
        assert expected.shape == (len(batch["numeric"]), encoder.width)
        graph = Graph()
        found = run(graph, encoder.nodes(graph), batch, specs)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_missing_numbers_become_the_mean_and_say_so_in_their_own_column(rows):
    encoder = fit_encoder({"numeric": rows["numeric"]}, max_categories=3, is_scaled=True)
    encoded = encoder.transform({"numeric": np.full((1, 4), np.nan, dtype=np.float32)})
    assert encoded.tolist() == [[0, 0, 0, 0, 1, 1, 1]]  # the fourth column was never missing


def test_only_frequent_categories_get_a_column_and_values_that_occur_once_get_none(rows):
    encoder = fit_encoder({"categorical": rows["categorical"]}, max_categories=2, is_scaled=False)
    assert all(len(values) == 2 for values in encoder.categories)
    assert all("once" not in values for values in encoder.categories)


@pytest.mark.parametrize("shape", [(8, 8), (3, 5), (28, 28, 3), (70, 45, 3), (200, 1)])
def test_image_features_are_the_same_in_numpy_and_onnx(shape):
    images = np.random.default_rng(1).integers(0, 256, (6, *shape)).astype(np.float32)
    scaling = scaling_of(images)
    worn = images * 3 - 100  # outside the training range: clipped alike
    graph = Graph()
    output = feature_nodes(graph, scaling.nodes(graph, "images"), scaling.scaled_shape)
    specs = (TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, *shape)),)
    found = run(graph, output, {"images": worn}, specs)
    np.testing.assert_allclose(found, features(scaling.apply(worn)), rtol=1e-5, atol=1e-5)
    assert scaling.apply(images).shape[1:] == scaling.scaled_shape
