"""Principal components. Source: docs.aws.amazon.com/sagemaker/latest/dg/PCA-reference.html."""

import numpy as np

from modelyard.algorithms.contract.builtin.graphs import INPUT, numbers, write_graph
from modelyard.algorithms.contract.builtin.unlabelled import read_rows
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.errors import HyperparameterInvalidError
from modelyard.algorithms.graph import Graph


def train(job: BuiltInJob) -> None:
    """Find the directions in which the channel `train` varies most."""
    count = job.integer("num_components")
    features = read_rows(job, "train")
    if count > min(features.shape):
        raise HyperparameterInvalidError(
            f"{features.shape[0]} rows of {features.shape[1]} features do not have {count} components",
            hint=f"Give num_components of at most {min(features.shape)}.",
            field="num_components",
        )
    whole = features.astype(np.float64)
    mean = whole.mean(axis=0) if job.text("subtract_mean", "true") == "true" else np.zeros(whole.shape[1])
    _, strengths, directions = np.linalg.svd(whole - mean, full_matrices=False)
    explained = (strengths**2)[:count].sum() / max((strengths**2).sum(), np.finfo(float).tiny)
    job.log(f"{count} components carry {explained:.4f} of the variance")
    job.metric("train:explained_variance_ratio", float(explained), 0)
    kept = directions[:count][::-1]  # AWS's answers begin with the weakest of those that are kept
    graph = Graph()
    projection = graph.dense(INPUT, kept.T.astype(np.float32), (-mean @ kept.T).astype(np.float32))
    graph.add("Identity", projection, output="projection")
    write_graph(job, graph, features.shape[1], numbers("projection", count))
