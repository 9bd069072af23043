"""Logistic, ridge and elastic-net regression by scikit-learn; their ONNX form is one matrix product."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.preparation.two_classes import logistic_weights
from modelyard.algorithms.tables.encoding import Features
from modelyard.algorithms.tables.models import Learner, Problem
from modelyard.types.signatures import Scalar

_LEAST_RIDGE = 1e-9  # keeps ordinary least squares solvable when columns repeat each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """`features @ weights + bias`: weights (f, outputs), bias (outputs,), float64 as fitted."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    findings: tuple[str, ...]

    def scores(self, features: Features) -> NDArray[np.float64]:
        """See Model."""
        return features @ self.weights + self.bias

    def nodes(self, graph: Graph, features: str) -> str:
        """See Model."""
        return graph.dense(features, self.weights, self.bias)


def fit_logistic(problem: Problem, given: Mapping[str, Scalar], context: TrainingContext) -> Linear:
    """Logistic regression, over all classes at once."""
    model = LogisticRegression(
        C=1 / float(given["regularisation"]), max_iter=int(given["max_iterations"]), random_state=context.seed
    )
    findings = _fit(model, problem, problem.target, context)
    weights, bias = logistic_weights(model)
    return Linear(weights=weights, bias=bias, findings=findings)


def fit_linear(problem: Problem, given: Mapping[str, Scalar], context: TrainingContext) -> Linear:
    """Ridge, or elastic net if `l1_share` is above 0.

    The target is standardised while fitting, so that `regularisation` means the same whatever its unit, and the two
    solvers' objectives are scaled alike.
    """
    target = problem.target.astype(np.float64)
    mean, spread = float(target.mean()), float(target.std()) or 1.0
    strength, l1_share = float(given["regularisation"]), float(given["l1_share"])
    iterations = int(given["max_iterations"])
    if l1_share > 0:
        alpha = max(strength, _LEAST_RIDGE) / len(target)
        model: Any = ElasticNet(alpha=alpha, l1_ratio=l1_share, max_iter=iterations, random_state=context.seed)
    else:
        model = Ridge(alpha=max(strength, _LEAST_RIDGE), random_state=context.seed)
    findings = _fit(model, problem, (target - mean) / spread, context)
    weights = np.asarray(model.coef_, dtype=np.float64).reshape(-1, 1) * spread
    bias = np.asarray(model.intercept_, dtype=np.float64).reshape(-1) * spread + mean
    return Linear(weights=weights, bias=bias, findings=findings)


def _fit(model: Any, problem: Problem, target: NDArray[Any], context: TrainingContext) -> tuple[str, ...]:
    """Fit and say so if the solver ran out of steps."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(problem.features.astype(np.float64), target, sample_weight=problem.weights.astype(np.float64))
    steps = int(np.max(getattr(model, "n_iter_", None) or 0))
    if steps:
        context.log(f"{steps} solver steps")
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        return (f"The solver stopped at max_iterations ({steps:,}) before it had settled: raise that number.",)
    return ()


LOGISTIC = Learner(fit=fit_logistic, is_scaled=True)
LINEAR = Learner(fit=fit_linear, is_scaled=True)
