"""K nearest neighbours. Source: docs.aws.amazon.com/sagemaker/latest/dg/kNN_hyperparameters.html."""

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import numbers, squared_distances, write_graph
from modelyard.algorithms.contract.builtin.scoring import answers
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import read_table
from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.graph import Graph

CLASSIFIER, REGRESSOR = "classifier", "regressor"


def train(job: BuiltInJob) -> None:
    """Keep a sample of the channel `train`; measured on `test` if there is one."""
    neighbours, kind = job.integer("k"), job.text("predictor_type", choices=(CLASSIFIER, REGRESSOR))
    table = read_table(job.data / "train", job.content_types["train"])
    job.check_width(table.features.shape[1])
    points, labels = table.features, table.labelled()
    size = job.integer("sample_size", len(points))
    if size < len(points):
        chosen = np.sort(np.random.default_rng(0).choice(len(points), size, replace=False))
        points, labels = points[chosen], labels[chosen]
    if neighbours > len(points):
        raise TooFewRowsError(f"{len(points)} rows have no {neighbours} neighbours", hint="Lower k.", field="k")
    _write(job, kind, points, labels, neighbours)
    if job.has("test"):
        test = read_table(job.data / "test", job.content_types["test"])
        found = answers(job, test.features)
        truth = test.labelled()
        is_class = kind == CLASSIFIER
        value = float((found == truth).mean()) if is_class else float(((found - truth) ** 2).mean())
        job.metric("test:accuracy" if is_class else "test:mse", value, 0)
        job.log(f"#quality_metric: host=algo-1, test {'accuracy' if is_class else 'mse'} <score>={value}")


def _write(
    job: BuiltInJob, kind: str, points: NDArray[np.float32], labels: NDArray[np.float32], neighbours: int
) -> None:
    graph = Graph()
    nearness = graph.add("Neg", squared_distances(graph, points))
    largest = graph.constant(np.array([neighbours], dtype=np.int64))
    nearest = graph.add_second("TopK", nearness, largest, axis=1)
    if kind == REGRESSOR:
        theirs = graph.add("Gather", graph.constant(labels), nearest, axis=0)
        graph.add("ReduceMean", theirs, output="predicted_label", axes=[1], keepdims=0)
    else:
        values, indices = np.unique(labels, return_inverse=True)
        votes = graph.add("Gather", graph.constant(np.eye(len(values), dtype=np.float32)[indices]), nearest, axis=0)
        best = graph.add("ArgMax", graph.add("ReduceSum", votes, graph.constant(np.array([1]))), axis=2, keepdims=0)
        flat = graph.add("Reshape", best, graph.constant(np.array([-1], dtype=np.int64)))
        graph.add("Gather", graph.constant(values.astype(np.float32)), flat, output="predicted_label", axis=0)
    write_graph(job, graph, points.shape[1], numbers("predicted_label"))
