"""A text classifier: weighed counts of unit length, and a linear model of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.preprocessing import normalize

from modelyard.algorithms.errors import ColumnsInvalidError
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.preparation.two_classes import logistic_weights
from modelyard.algorithms.tables.tensors import CATEGORICAL
from modelyard.algorithms.texts.grams import Grams, find_grams, inverse_shares, lowered_nodes
from modelyard.types.signatures import Scalar

_BINARY = 2
_LEAST_LENGTH = 1e-9
_ITERATIONS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModel:
    """`weights` (f, classes) and `bias` (classes,) over counts that are weighed by `scales` (f,)."""

    grams: tuple[Grams, ...]
    scales: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Logits (n, classes)."""
        return np.asarray(_features(self.grams, self.scales, texts) @ self.weights + self.bias)

    def nodes(self, graph: Graph) -> str:
        """The same as ONNX nodes over the input tensor (n, 1) of texts."""
        texts = lowered_nodes(graph, graph.add("Reshape", CATEGORICAL, graph.constant(np.array([-1]))))
        parts = [each.nodes(graph, texts) for each in self.grams]
        counts = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
        logs = graph.add("Log", graph.add("Add", counts, graph.constant(np.float32(1))))
        weighed = graph.add("Mul", logs, graph.constant(self.scales))
        length = graph.add("ReduceL2", weighed, axes=[1], keepdims=1)
        unit = graph.add("Div", weighed, graph.add("Max", length, graph.constant(np.float32(_LEAST_LENGTH))))
        return graph.dense(unit, self.weights, self.bias)


def fit_text_model(
    texts: Sequence[str],
    target: NDArray[np.int64],
    weights: NDArray[np.float32],
    given: Mapping[str, Scalar],
    seed: int,
) -> TextModel:
    """Fit.

    Args:
        texts: (n,).
        target: (n,) class numbers, all of them from 0 on.
        weights: (n,) how much each row counts.
        given: hyper-parameters of `text-classification`.
        seed: of the solver.

    Raises:
        ColumnsInvalidError: no word stands in two texts.
    """
    wanted = (("words", "longest_words"), ("characters", "longest_characters"))
    grams = tuple(
        found
        for tokens, longest in wanted
        if given["features"] in (tokens, "both")
        and (found := find_grams(texts, tokens, int(str(given[longest])), int(str(given["vocabulary"]))))
    )
    if not grams:
        raise ColumnsInvalidError(
            "There is nothing to learn from: no word stands in two texts", hint="Name the column that holds the texts."
        )
    scales = inverse_shares(scipy.sparse.hstack([each.counts(texts) for each in grams], format="csr"))
    features = _features(grams, scales, texts)
    strength = float(given["regularisation"])
    model: Any
    if given["method"] == "logistic":
        model = LogisticRegression(C=1 / strength, max_iter=_ITERATIONS, random_state=seed)
        model.fit(features, target, sample_weight=weights)
        matrix, bias = logistic_weights(model)
    else:
        classes = int(target.max()) + 1
        model = (MultinomialNB if classes == _BINARY else ComplementNB)(alpha=strength)
        model.fit(features, target, sample_weight=weights)
        matrix = np.asarray(model.feature_log_prob_).T
        bias = np.asarray(model.class_log_prior_) if classes == _BINARY else np.zeros(classes)
    return TextModel(grams=grams, scales=scales, weights=matrix, bias=bias)


def _features(grams: Sequence[Grams], scales: NDArray[np.float64], texts: Sequence[str]) -> Any:
    counts = scipy.sparse.hstack([each.counts(texts) for each in grams], format="csr")
    counts.data = np.log1p(counts.data)
    return normalize(counts.multiply(scales).tocsr())
