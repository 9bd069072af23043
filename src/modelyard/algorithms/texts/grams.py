"""What is counted in a text: words or characters in a row, in Python for training and in ONNX for serving.

Only the letters A to Z are made small: what is done to others depends on the locale of the machine, and a model must
answer alike on all.
Source: ONNX Runtime contrib operators, com.microsoft Tokenizer; ONNX operators, StringNormalizer and TfIdfVectorizer.
"""

import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from modelyard.algorithms.graph import Graph

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_WORD = re.compile(r"\w+")

Gram = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grams:
    """Counts of a vocabulary: `grams` sorted by their length, each a tuple of tokens.

    Attributes:
        tokens: "words" or "characters".
        shortest: tokens in a row, at least.
        grams: (f,) what is counted.
    """

    tokens: str
    shortest: int
    grams: tuple[Gram, ...]

    _EXPRESSIONS: ClassVar[dict[str, str]] = {"words": r"[\p{L}\p{N}_]+", "characters": "(?s)."}

    def counts(self, texts: Sequence[str]) -> Any:
        """Sparse (n, f)."""
        vectorizer = CountVectorizer(
            analyzer=_analyser(self.tokens, self.shortest, len(self.grams[-1])),
            vocabulary={gram: place for place, gram in enumerate(self.grams)},
            dtype=np.float64,
        )
        return vectorizer.transform(texts)

    def nodes(self, graph: Graph, texts: str) -> str:
        """The same as ONNX nodes over lowered texts (n,): dense float32 (n, f)."""
        tokens = graph.add_contrib(
            "Tokenizer",
            texts,
            mark=0,
            mincharnum=1,
            pad_value="",
            tokenexp=self._EXPRESSIONS[self.tokens],
        )
        # One token more that is in no vocabulary: the counting needs a column even where no text has a word.
        rows = graph.add("Concat", graph.add("Shape", texts), graph.constant(np.array([1])), axis=0)
        nothing = graph.add("Expand", graph.constant(np.array([""], dtype=object)), rows)
        longest = len(self.grams[-1])
        sizes = np.array([len(gram) for gram in self.grams])
        starts = [int(sizes[sizes < size].sum()) for size in range(1, longest + 1)]
        return graph.add(
            "TfIdfVectorizer",
            graph.add("Concat", tokens, nothing, axis=1),
            mode="TF",
            min_gram_length=self.shortest,
            max_gram_length=longest,
            max_skip_count=0,
            ngram_counts=starts,
            ngram_indexes=[*range(len(self.grams))],
            pool_strings=[token for gram in self.grams for token in gram],
        )


def lowered(text: str) -> str:
    """With small letters."""
    return text.translate(_LOWER)


def lowered_nodes(graph: Graph, texts: str) -> str:
    """The same as an ONNX node."""
    return graph.add("StringNormalizer", texts, case_change_action="LOWER", is_case_sensitive=1, locale="C")


def find_grams(texts: Sequence[str], tokens: str, longest: int, most: int) -> Grams | None:
    """The most frequent ones that stand in two texts at least; None: there are none.

    Args:
        texts: to learn from.
        tokens: "words" or "characters".
        longest: tokens in a row, at most.
        most: so many.
    """
    shortest = 1 if tokens == "words" else 2
    least = 2 if len(texts) > 2 else 1  # noqa: PLR2004
    vectorizer = CountVectorizer(analyzer=_analyser(tokens, shortest, longest), min_df=least, max_features=most)
    try:
        vectorizer.fit(texts)
    except ValueError:  # scikit-learn: the vocabulary is empty
        return None
    grams = tuple(sorted(vectorizer.vocabulary_, key=lambda gram: (len(gram), gram)))
    return Grams(tokens=tokens, shortest=shortest, grams=grams)


def inverse_shares(counts: Any) -> NDArray[np.float64]:
    """How much each gram counts: the rarer, the more; (f,)."""
    rows = counts.shape[0]
    having = np.asarray((counts > 0).sum(axis=0)).reshape(-1)
    found: NDArray[np.float64] = np.log((1 + rows) / (1 + having)) + 1
    return found


def _analyser(tokens: str, shortest: int, longest: int) -> Callable[[str], Iterator[Gram]]:
    def analyse(text: str) -> Iterator[Gram]:
        small = lowered(text)
        parts: Sequence[str] = _WORD.findall(small) if tokens == "words" else small
        for size in range(shortest, longest + 1):
            for place in range(len(parts) - size + 1):
                yield tuple(parts[place : place + size])

    return analyse
