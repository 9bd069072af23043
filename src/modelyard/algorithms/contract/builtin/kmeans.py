"""K-means. Source: docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html."""

import numpy as np

from modelyard.algorithms.contract.builtin.graphs import numbers, own_squares, squared_distances, write_graph
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import read_table
from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.graph import Graph

_INITIAL = {"random": "random", "kmeans++": "k-means++"}


def train(job: BuiltInJob) -> None:
    """Find `k` centres in the channel `train`."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - each job loads what it needs

    count = job.integer("k")
    features = read_table(job.data / "train", job.content_types["train"], is_labelled=False).features
    if len(features) < count:
        raise TooFewRowsError(f"{len(features)} rows cannot make {count} clusters", hint="Lower k.", field="k")
    initial = _INITIAL[job.text("init_method", "kmeans++", tuple(_INITIAL))]
    trials = job.given.get("local_lloyd_num_trials", "auto")
    fitted = KMeans(count, init=initial, n_init=10 if trials == "auto" else int(trials), random_state=0).fit(features)
    job.metric("train:msd", fitted.inertia_ / len(features), 0)
    job.log(f"#quality_metric: host=algo-1, train msd <loss>={fitted.inertia_ / len(features)}")
    graph = Graph()
    apart = graph.add("Add", squared_distances(graph, fitted.cluster_centers_.astype(np.float32)), own_squares(graph))
    nearest = graph.add("ArgMin", apart, axis=1, keepdims=0)
    graph.add("Cast", nearest, output="closest_cluster", to=1)
    least = graph.add("ReduceMin", apart, axes=[1], keepdims=0)
    graph.add("Sqrt", graph.add("Max", least, graph.constant(0.0)), output="distance_to_cluster")
    write_graph(job, graph, features.shape[1], numbers("closest_cluster"), numbers("distance_to_cluster"))
