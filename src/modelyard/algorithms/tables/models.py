"""What the table algorithms hand to a library, and what they take back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.tables.encoding import Features
from modelyard.types.signatures import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Training and validation rows.

    Attributes:
        features: (n, f) float32; NaN only where the encoder leaves it.
        target: (n,) class numbers int64, or float64 values.
        weights: (n,) float32.
        classes: number of classes; 0 for regression.
        validation_features: (v, f); v may be 0.
        validation_target: (v,).
        numeric: so many of the first features are columns of numbers, as they are if the encoder did not scale them.
    """

    features: Features
    target: NDArray[np.int64] | NDArray[np.float64]
    weights: Features
    classes: int
    validation_features: Features
    validation_target: NDArray[np.int64] | NDArray[np.float64]
    numeric: int


class Model(Protocol):
    """A fitted model over features."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences for the card."""

    def scores(self, features: Features) -> NDArray[Any]:
        """(n, classes) logits whose softmax are the probabilities, or (n, 1) predictions; by the library itself."""

    def nodes(self, graph: Graph, features: str) -> str:
        """The same as ONNX nodes."""


Fit = Callable[[Problem, Mapping[str, Scalar], TrainingContext], Model]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A way to fit, and what it is to be given.

    Attributes:
        fit: the library's.
        is_scaled: it takes numbers on a common scale, without gaps.
        has_validation: it stops early by rows that are set aside for that.
    """

    fit: Fit
    is_scaled: bool = False
    has_validation: bool = False
