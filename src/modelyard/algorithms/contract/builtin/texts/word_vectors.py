"""Vectors of words: the mutual information of words and their neighbours, factorised.

What skip-gram with negative sampling comes to if it is trained to the end, without sampling: equal text, equal vectors.
Source: Levy, Goldberg, Dagan, "Improving Distributional Similarity with Lessons Learned from Word Embeddings", 2015.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import ARTIFACT
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.texts import read_sentences
from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.graph import Graph
from modelyard.kit.files import write_atomic
from modelyard.types.serving.texts import VECTOR, WORD, WORDS, vectors_signature

VECTORS = "vectors.txt"
_SMOOTHING = 0.75  # of the neighbours' frequencies, as word2vec draws its negative samples


def train(job: BuiltInJob) -> None:
    """Find a vector for each word of the channel `train` that is there often enough."""
    width, window = job.integer("vector_dim", 100), job.integer("window_size", 5)
    sentences = read_sentences(job.data, "train")
    counts = Counter(word for sentence in sentences for word in sentence)
    least = job.integer("min_count", 5)
    words = [word for word, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])) if count >= least]
    if len(words) <= width:
        raise TooFewRowsError(
            f"{len(words)} words are there {least} times, too few for vectors of {width} numbers",
            hint="Give more text, or lower vector_dim or min_count.",
            field="vector_dim",
        )
    vectors = _factors(_information(_neighbours(sentences, words, window)), width)
    job.log(f"{len(words)} words, {sum(counts.values())} of text")
    lines = [f"{len(words)} {width}", *(f"{word} {_text(row)}" for word, row in zip(words, vectors, strict=True))]
    write_atomic(job.model / VECTORS, ("\n".join(lines) + "\n").encode())
    write_atomic(job.model / ARTIFACT, _graph(words, vectors).to_bytes(vectors_signature(width)))


def _neighbours(sentences: Sequence[Sequence[str]], words: Sequence[str], window: int) -> Any:
    """(words, words) sparse: how often two words stand near each other; the nearer, the more it counts."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - each job loads what it needs

    places = {word: index for index, word in enumerate(words)}
    known = [(places[word], number) for number, sentence in enumerate(sentences) for word in sentence if word in places]
    ids, lines = np.array(known, dtype=np.int64).T
    whole = csr_matrix((len(words), len(words)))
    for distance in range(1, window + 1):
        is_near = lines[:-distance] == lines[distance:]
        left, right = ids[:-distance][is_near], ids[distance:][is_near]
        weights = np.full(len(left), (window + 1 - distance) / window)
        near = csr_matrix((weights, (left, right)), shape=whole.shape)
        whole = whole + near + near.T
    return whole


def _information(near: Any) -> Any:
    """How much likelier two words stand together than by chance, as a logarithm; what is less likely counts nothing."""
    found = near.tocoo()
    theirs = np.asarray(near.sum(axis=1)).ravel()
    smoothed = theirs**_SMOOTHING
    chance = theirs[found.row] * smoothed[found.col] / smoothed.sum()
    found.data = np.maximum(np.log(found.data / chance), 0)
    return found.tocsr()


def _factors(information: Any, width: int) -> NDArray[np.float32]:
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415

    decomposed = TruncatedSVD(width, random_state=0)
    projected = decomposed.fit_transform(information)
    strengths = np.sqrt(np.maximum(decomposed.singular_values_, np.finfo(float).tiny))
    return np.asarray(projected / strengths, dtype=np.float32)


def _text(vector: NDArray[np.float32]) -> str:
    return " ".join(f"{value:.6g}" for value in vector)


def _graph(words: Sequence[str], vectors: NDArray[np.float32]) -> Graph:
    """A word that is not known has the vector of zeros."""
    graph = Graph()
    places = graph.add_ml(
        "LabelEncoder", WORDS, keys_strings=list(words), values_int64s=list(range(1, len(words) + 1)), default_int64=0
    )
    table = graph.constant(np.vstack([np.zeros((1, vectors.shape[1]), np.float32), vectors]))
    graph.add("Gather", table, places, output=VECTOR, axis=0)
    graph.add("Identity", WORDS, output=WORD)
    return graph
