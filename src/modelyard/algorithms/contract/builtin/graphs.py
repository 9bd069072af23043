"""Models as ONNX graphs over `features` (n, d).

Outputs of classifiers are `probabilities` and `label`, of regressors `prediction`, as all over the platform; others are
named as AWS's answers name them.
"""

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.graph import Graph
from modelyard.kit.files import write_atomic
from modelyard.types.signatures import DataType, Signature, TensorSpec

INPUT = "features"
ARTIFACT = "model.onnx"


def write_graph(job: BuiltInJob, graph: Graph, width: int, *outputs: TensorSpec) -> None:
    """Write a graph of `width` features."""
    features = TensorSpec(name=INPUT, datatype=DataType.FP32, shape=(-1, width))
    write_atomic(job.model / ARTIFACT, graph.to_bytes(Signature(inputs=(features,), outputs=outputs)))


def write_classifier(job: BuiltInJob, graph: Graph, width: int, logits: str, classes: int) -> None:
    """Write a graph that ends with the logits (n, classes) of the classes 0, 1, ..."""
    graph.classify(logits, np.arange(classes))
    label = TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,))
    write_graph(job, graph, width, label, numbers("probabilities", classes))


def write_regressor(job: BuiltInJob, graph: Graph, width: int, answers: str) -> None:
    """Write a graph that ends with answers (n, 1)."""
    flat = graph.constant(np.array([-1], dtype=np.int64))
    graph.add("Reshape", answers, flat, output="prediction")
    write_graph(job, graph, width, numbers("prediction"))


def numbers(name: str, *shape: int) -> TensorSpec:
    """An output of numbers, of this shape for each row."""
    return TensorSpec(name=name, datatype=DataType.FP32, shape=(-1, *shape))


def squared_distances(graph: Graph, points: NDArray[np.float32]) -> str:
    """(n, m): how far each row of the input is from each of `points` (m, d), less the row's own square."""
    squares = (points.astype(np.float64) ** 2).sum(axis=1)
    return graph.dense(INPUT, -2 * points.T, squares.astype(np.float32))


def own_squares(graph: Graph) -> str:
    """(n, 1): the square of each row of the input."""
    return graph.add("ReduceSumSquare", INPUT, axes=[1], keepdims=1)
