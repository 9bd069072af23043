"""K-means. Source: docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html."""

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import numbers, own_squares, squared_distances, write_graph
from modelyard.algorithms.contract.builtin.unlabelled import read_rows
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.graph import Graph

_INITIAL = {"random": "random", "kmeans++": "k-means++"}


def train(job: BuiltInJob) -> None:
    """Find `k` centres in the channel `train`, measured on `test` if there is one."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - each job loads what it needs

    count = job.integer("k")
    features = read_rows(job, "train")
    if len(features) < count:
        raise TooFewRowsError(f"{len(features)} rows cannot make {count} clusters", hint="Lower k.", field="k")
    initial = _INITIAL[job.text("init_method", "kmeans++", tuple(_INITIAL))]
    trials = job.given.get("local_lloyd_num_trials", "auto")
    fitted = KMeans(count, init=initial, n_init=10 if trials == "auto" else int(trials), random_state=0).fit(features)
    _tell(job, "train", features, fitted.cluster_centers_)
    if job.has("test"):
        _tell(job, "test", read_rows(job, "test"), fitted.cluster_centers_)
    graph = Graph()
    apart = graph.add("Add", squared_distances(graph, fitted.cluster_centers_.astype(np.float32)), own_squares(graph))
    nearest = graph.add("ArgMin", apart, axis=1, keepdims=0)
    graph.add("Cast", nearest, output="closest_cluster", to=1)
    least = graph.add("ReduceMin", apart, axes=[1], keepdims=0)
    graph.add("Sqrt", graph.add("Max", least, graph.constant(0.0)), output="distance_to_cluster")
    write_graph(job, graph, features.shape[1], numbers("closest_cluster"), numbers("distance_to_cluster"))


def _tell(job: BuiltInJob, channel: str, rows: NDArray[np.float32], centres: NDArray[np.float32]) -> None:
    """How far rows are from their centres: the sum of the squares, and their mean."""
    from sklearn.metrics import pairwise_distances_argmin_min  # noqa: PLC0415 - heavy

    _, distances = pairwise_distances_argmin_min(rows, centres, metric="sqeuclidean")
    for metric, value in (("msd", float(distances.mean())), ("ssd", float(distances.sum()))):
        job.log(f"#quality_metric: host=algo-1, {channel} {metric} <loss>={value}")
        job.metric(f"{channel}:{metric}", value, 0)
