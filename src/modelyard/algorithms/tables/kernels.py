"""Kernel machines by random Fourier features: smooth models, whose ONNX form is two matrix products and a cosine.

A linear part stays beside the waves, so that the model goes on straight outside of what it has seen.
Source: A. Rahimi and B. Recht, "Random features for large-scale kernel machines", NIPS 2007.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import RBFSampler

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.tables.encoding import Features
from modelyard.algorithms.tables.linear import Linear, fit_linear, fit_logistic
from modelyard.algorithms.tables.models import Fit, Learner, Problem
from modelyard.types.signatures import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """`cos(features @ directions + phases)` times a constant: (n, waves), float32 as they are served."""

    directions: NDArray[np.float32]
    phases: NDArray[np.float32]

    def apply(self, features: Features) -> Features:
        """The features and their waves, side by side."""
        waves = np.cos(features @ self.directions + self.phases) * self._height
        return np.concatenate([features, waves], axis=1, dtype=np.float32)

    def nodes(self, graph: Graph, features: str) -> str:
        """The same as ONNX nodes."""
        waves = graph.add("Cos", graph.dense(features, self.directions, self.phases))
        return graph.add("Concat", features, graph.add("Mul", waves, graph.constant(self._height)), axis=1)

    @property
    def _height(self) -> np.float32:
        return np.float32(np.sqrt(2.0 / len(self.phases)))


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelMachine:
    """A linear model over features and their waves."""

    waves: Waves
    linear: Linear

    @property
    def findings(self) -> tuple[str, ...]:
        """See Model."""
        return self.linear.findings

    def scores(self, features: Features) -> NDArray[np.float64]:
        """See Model."""
        return self.linear.scores(self.waves.apply(features))

    def nodes(self, graph: Graph, features: str) -> str:
        """See Model."""
        return self.linear.nodes(graph, self.waves.nodes(graph, features))


def _machine(fit: Callable[[Problem, Mapping[str, Scalar], TrainingContext], Linear]) -> Fit:
    def fit_machine(problem: Problem, given: Mapping[str, Scalar], context: TrainingContext) -> KernelMachine:
        count = problem.features.shape[1]
        sampler = RBFSampler(
            gamma=float(given["gamma"]) / count, n_components=int(given["waves"]), random_state=context.seed
        ).fit(problem.features)
        waves = Waves(
            directions=np.asarray(sampler.random_weights_, dtype=np.float32),
            phases=np.asarray(sampler.random_offset_, dtype=np.float32),
        )
        lifted = replace(problem, features=waves.apply(problem.features), validation_features=problem.features[:0])
        linear = fit(lifted, {**given, "l1_share": 0.0}, context)
        return KernelMachine(waves=waves, linear=linear)

    return fit_machine


KERNEL_LOGISTIC = Learner(fit=_machine(fit_logistic), is_scaled=True)
KERNEL_RIDGE = Learner(fit=_machine(fit_linear), is_scaled=True)
