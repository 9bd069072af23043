"""From "numeric" and "categorical" tensors to a model's feature matrix: in NumPy for training, in ONNX for serving.

Trees take numbers as they are, NaN included. Linear models take them standardised, the mean in place of what is
missing, and a column of its own that says so. Categories become one column per frequent value; others are all zeros.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.graph import Graph
from modelyard.algorithms.tables.tensors import CATEGORICAL, NUMERIC

MAX_CATEGORY_FEATURES = 20_000
"""More category columns get fewer values each, so that a wide table stays learnable."""

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardisation:
    """For linear models: float32 (k,) each; `gaps` are the numbers of the columns that get a "was missing" column."""

    mean: Features
    scale: Features
    gaps: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """How features are made. `categories` holds the values that are told apart, per category column."""

    numeric: int
    standardisation: Standardisation | None
    categories: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """Number of features."""
        gaps = 0 if self.standardisation is None else len(self.standardisation.gaps)
        return self.numeric + gaps + sum(len(values) for values in self.categories)

    def transform(self, inputs: Mapping[str, NDArray[Any]]) -> Features:
        """(n, features) float32."""
        parts: list[Features] = []
        if self.numeric:
            numbers = np.asarray(inputs[NUMERIC], dtype=np.float32)
            parts.extend([numbers] if self.standardisation is None else standardised(numbers, self.standardisation))
        parts.extend(
            _one_hot(inputs[CATEGORICAL][:, index], values) for index, values in enumerate(self.categories) if values
        )
        return np.concatenate(parts, axis=1)

    def nodes(self, graph: Graph) -> str:
        """The same as ONNX nodes; the name of the (n, features) tensor."""
        parts: list[str] = []
        if self.numeric:
            parts.extend(
                [NUMERIC] if self.standardisation is None else standard_nodes(graph, NUMERIC, self.standardisation)
            )
        for index, values in enumerate(self.categories):
            if values:
                column = graph.add("Gather", CATEGORICAL, graph.constant(np.array(index)), axis=1)
                parts.append(graph.add_ml("OneHotEncoder", column, cats_strings=list(values), zeros=1))
        return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def fit_encoder(inputs: Mapping[str, NDArray[Any]], *, max_categories: int, is_scaled: bool) -> Encoder:
    """Learn an encoder from training rows."""
    numbers, texts = inputs.get(NUMERIC), inputs.get(CATEGORICAL)
    width = 0 if texts is None else texts.shape[1]
    limit = min(max_categories, max(2, MAX_CATEGORY_FEATURES // max(1, width)))
    return Encoder(
        numeric=0 if numbers is None else numbers.shape[1],
        standardisation=fit_standardisation(numbers) if is_scaled and numbers is not None else None,
        categories=() if texts is None else tuple(_frequent(texts[:, index], limit) for index in range(width)),
    )


def fit_standardisation(numbers: Features) -> Standardisation:
    """Learn mean and spread of each column (n, k), missing values aside."""
    known = ~np.isnan(numbers)
    counts = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, numbers, 0).astype(np.float64)
    mean = values.sum(axis=0) / counts
    variance = np.where(known, (values - mean) ** 2, 0).sum(axis=0) / counts
    spread = np.sqrt(variance)
    return Standardisation(
        mean=mean.astype(np.float32),
        scale=np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0).astype(np.float32),
        gaps=np.flatnonzero(~known.all(axis=0)),
    )


def standardised(numbers: Features, fitted: Standardisation) -> list[Features]:
    """The columns (n, k) on a common scale without gaps, and where there were some, (n, gaps) that say so."""
    is_missing = np.isnan(numbers)
    filled = np.where(is_missing, fitted.mean, numbers)
    parts = [(filled - fitted.mean) * fitted.scale]
    if len(fitted.gaps):
        parts.append(is_missing[:, fitted.gaps].astype(np.float32))
    return parts


def standard_nodes(graph: Graph, numbers: str, fitted: Standardisation) -> list[str]:
    """The same as ONNX nodes over the tensor `numbers`."""
    mean, scale = graph.constant(fitted.mean), graph.constant(fitted.scale)
    is_missing = graph.add("IsNaN", numbers)
    filled = graph.add("Where", is_missing, mean, numbers)
    parts = [graph.add("Mul", graph.add("Sub", filled, mean), scale)]
    if len(fitted.gaps):
        gaps = graph.add("Gather", is_missing, graph.constant(fitted.gaps), axis=1)
        parts.append(graph.add("Cast", gaps, to=1))
    return parts


def _frequent(values: NDArray[Any], limit: int) -> tuple[str, ...]:
    """The most frequent values, in order of name; a value of one row teaches nothing."""
    counts = Counter(values.tolist())
    ranked = sorted((item for item in counts.items() if item[1] > 1), key=lambda item: (-item[1], item[0]))
    return tuple(sorted(value for value, _ in ranked[:limit]))


def _one_hot(values: NDArray[Any], categories: tuple[str, ...]) -> Features:
    place = {value: index for index, value in enumerate(categories)}
    columns = np.array([place.get(value, -1) for value in values.tolist()])
    encoded = np.zeros((len(values), len(categories)), dtype=np.float32)
    rows = np.flatnonzero(columns >= 0)
    encoded[rows, columns[rows]] = 1
    return encoded
