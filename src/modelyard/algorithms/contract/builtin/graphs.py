"""Models as ONNX graphs over `features` (n, d), whose outputs are named as AWS's answers name them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.graph import Graph
from modelyard.kit.files import write_atomic
from modelyard.types.signatures import DataType, Signature, TensorSpec

INPUT = "features"
ARTIFACT = "model.onnx"


def write_graph(job: BuiltInJob, graph: Graph, width: int, outputs: Mapping[str, tuple[int, ...]]) -> None:
    """Write a graph of `width` features whose outputs have these sizes per row."""
    signature = Signature(
        inputs=(TensorSpec(name=INPUT, datatype=DataType.FP32, shape=(-1, width)),),
        outputs=tuple(
            TensorSpec(name=name, datatype=DataType.FP32, shape=(-1, *shape)) for name, shape in outputs.items()
        ),
    )
    write_atomic(job.model / ARTIFACT, graph.to_bytes(signature))


def squared_distances(graph: Graph, points: NDArray[np.float32]) -> str:
    """(n, m): how far each row of the input is from each of `points` (m, d), less the row's own square."""
    squares = (points.astype(np.float64) ** 2).sum(axis=1)
    return graph.dense(INPUT, -2 * points.T, squares.astype(np.float32))


def own_squares(graph: Graph) -> str:
    """(n, 1): the square of each row of the input."""
    return graph.add("ReduceSumSquare", INPUT, axes=[1], keepdims=1)
