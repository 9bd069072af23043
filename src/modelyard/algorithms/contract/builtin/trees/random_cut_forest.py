"""Random cut forest: an anomaly score for each row.

Source: docs.aws.amazon.com/sagemaker/latest/dg/rcf_hyperparameters.html, rcf-in-formats.html; Guha et al., "Robust
Random Cut Forest Based Anomaly Detection on Streams", ICML 2016.
"""

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import numbers, write_graph
from modelyard.algorithms.contract.builtin.scoring import answers
from modelyard.algorithms.contract.builtin.trees.random_cut_trees import Forest, graph_of, grow
from modelyard.algorithms.contract.builtin.unlabelled import read_rows
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import read_table
from modelyard.algorithms.errors import TooFewRowsError

SCORE = "score"
_DEVIATIONS = 3  # above the mean, from which on a row of the test is called an anomaly


def train(job: BuiltInJob) -> None:
    """Grow trees on samples of the channel `train`; measured on the labelled channel `test` if there is one."""
    features = read_rows(job, "train")
    if len(features) < 2:  # noqa: PLR2004 - there is nothing to cut
        raise TooFewRowsError("One row makes no forest", hint="Give more rows.", field="channels.train")
    size = job.integer("num_samples_per_tree", 256)
    generator = np.random.default_rng(0)
    forest = _forest(features, min(size, len(features)), job.integer("num_trees", 100), generator)
    job.log(f"{len(forest.roots)} trees of {min(size, len(features))} rows, {forest.levels} levels deep")
    write_graph(job, graph_of(forest, SCORE), features.shape[1], numbers(SCORE))
    if job.has("test"):
        _measure(job)


def _forest(features: NDArray[np.float32], size: int, count: int, generator: np.random.Generator) -> Forest:
    samples = [features[generator.choice(len(features), size, replace=False)] for _ in range(count)]
    return grow(samples, generator)


def _measure(job: BuiltInJob) -> None:
    """Anomalies are labelled 1; a row is called one if its score is far above the others'."""
    table = read_table(job.data / "test", job.content_types["test"], is_labelled=True)
    scores = answers(job, table.features)
    is_anomaly, is_called = table.labelled() > 0, scores > scores.mean() + _DEVIATIONS * scores.std()
    hits = int((is_anomaly & is_called).sum())
    precision, recall = hits / max(1, int(is_called.sum())), hits / max(1, int(is_anomaly.sum()))
    figures = {
        "accuracy": float((is_anomaly == is_called).mean()),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, np.finfo(float).tiny),
    }
    for name, value in figures.items():
        job.metric(f"test:{name}", value, 0)
        job.log(f"#quality_metric: host=algo-1, test {name} <score>={value}")
