"""A classifier of sentences: softmax regression on the mean of their words and pairs of words, as one ONNX graph.

fastText's model without its bottleneck and its hashing: every word and every pair of neighbours that is seen often
enough has weights of its own. Source: Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from modelyard.algorithms.contract.builtin.graphs import ARTIFACT
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.texts import Labelled, read_labelled
from modelyard.algorithms.errors import ChannelInvalidError, HyperparameterInvalidError
from modelyard.algorithms.graph import TEXT_OPSET, Graph
from modelyard.algorithms.preparation.two_classes import logistic_weights
from modelyard.kit.files import write_atomic
from modelyard.types.serving.texts import LABELS, PROBABILITIES, SENTENCE, classifier_signature

_MOST_TOGETHER = 2
_STRENGTH = 400.0
"""The inverse of the penalty on weights: means of words are small numbers, so their weights are large."""


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`, measured on `validation` if there is one."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - each job loads what it needs

    together = job.integer("word_ngrams", _MOST_TOGETHER)
    if together > _MOST_TOGETHER:
        raise HyperparameterInvalidError(
            f"{together} words at a time are not looked at here", hint="Set word_ngrams to 1 or 2.", field="word_ngrams"
        )
    sentences = read_labelled(job.data, "train")
    labels = sorted({each.label for each in sentences})
    if len(labels) < 2:  # noqa: PLR2004 - there is nothing to tell apart
        raise ChannelInvalidError("All sentences have one label", hint="Give two at least.", field="channels.train")
    terms = _vocabulary(sentences, together, job.integer("min_count", 5))
    fitted = LogisticRegression(C=_STRENGTH, max_iter=500, tol=1e-3, random_state=0)
    fitted.fit(_means(sentences, terms, together), [each.label for each in sentences])
    job.log(f"{len(terms)} words and pairs of words, {len(labels)} labels")
    for channel in ("train", "validation"):
        if job.has(channel):
            shown = sentences if channel == "train" else read_labelled(job.data, channel)
            accuracy = fitted.score(_means(shown, terms, together), [each.label for each in shown])
            job.metric(f"{channel}:accuracy", float(accuracy), 0)
            job.log(f"#{channel}_accuracy: {accuracy:.4f}")
    weights, bias = logistic_weights(fitted)
    graph = _graph(terms, together, weights.astype(np.float32), bias.astype(np.float32), labels)
    write_atomic(job.model / ARTIFACT, graph.to_bytes(classifier_signature(len(labels))))


def _terms(words: Sequence[str], together: int) -> list[str]:
    """The words and, of two together, the pairs of neighbours."""
    pairs = [f"{left} {right}" for left, right in pairwise(words)]
    return [*words, *pairs] if together == _MOST_TOGETHER else list(words)


def _vocabulary(sentences: Sequence[Labelled], together: int, least: int) -> list[str]:
    counts = Counter(term for each in sentences for term in _terms(each.words, together))
    found = sorted(term for term, count in counts.items() if count >= least)
    if not found:
        raise ChannelInvalidError(
            f"No word is there {least} times", hint="Lower min_count, or give more text.", field="channels.train"
        )
    return found


def _means(sentences: Sequence[Labelled], terms: Sequence[str], together: int) -> Any:
    """(n, terms) sparse: the share of each term among those of a sentence that are known."""
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 - each job loads what it needs
    from sklearn.preprocessing import normalize  # noqa: PLC0415

    counting = CountVectorizer(analyzer=lambda words: _terms(words, together), vocabulary=list(terms), dtype=np.float64)
    return normalize(counting.transform(each.words for each in sentences), norm="l1")


def _graph(terms: Sequence[str], together: int, weights: np.ndarray, bias: np.ndarray, labels: Sequence[str]) -> Graph:
    graph = Graph(TEXT_OPSET)
    words, _ = graph.add_pair("StringSplit", SENTENCE)
    # An empty word behind each sentence: there is always a second one, and a pair with it is never known.
    rows = graph.add("Unsqueeze", graph.add("Shape", SENTENCE), graph.constant(np.array([0])))
    one = graph.constant(np.array([1], dtype=np.int64))
    shape = graph.add("Concat", graph.add("Reshape", rows, one), one, axis=0)
    words = graph.add("Concat", words, graph.add("Expand", graph.constant([""]), shape), axis=1)
    found = words
    if together == _MOST_TOGETHER:
        first, last = graph.constant(np.array([0])), graph.constant(np.array([-1]))
        end, axis = graph.constant(np.array([2**31])), graph.constant(np.array([1]))
        left, right = graph.add("Slice", words, first, last, axis), graph.add("Slice", words, one, end, axis)
        pairs = graph.add("StringConcat", graph.add("StringConcat", left, graph.constant([" "])), right)
        found = graph.add("Concat", words, pairs, axis=1)
    places = graph.add_ml(
        "LabelEncoder", found, keys_strings=list(terms), values_int64s=list(range(1, len(terms) + 1)), default_int64=0
    )
    table = graph.constant(np.vstack([np.zeros((1, weights.shape[1]), np.float32), weights]))
    sums = graph.add("ReduceSum", graph.add("Gather", table, places, axis=0), graph.constant(np.array([1])), keepdims=0)
    is_known = graph.add("Cast", graph.add("Greater", places, graph.constant(np.array(0))), to=1)
    known = graph.add("ReduceSum", is_known, graph.constant(np.array([1])), keepdims=1)
    means = graph.add("Div", sums, graph.add("Max", known, graph.constant(np.float32(1))))
    probabilities = graph.add("Softmax", graph.add("Add", means, graph.constant(bias)), axis=1)
    order = graph.add_pair("TopK", probabilities, graph.constant(np.array([len(labels)])), axis=1)
    graph.add("Identity", order[0], output=PROBABILITIES)
    graph.add("Gather", graph.constant(list(labels)), order[1], output=LABELS, axis=0)
    return graph
