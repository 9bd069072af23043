"""Forests of independent trees by scikit-learn, and their ONNX form.

Every class gets as many votes as one more tree would give that knows nothing but the classes' shares: a class that no
tree has seen in a leaf is improbable then, not impossible.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.tables.encoding import Features
from modelyard.algorithms.tables.models import Learner, Problem
from modelyard.types.signatures import Scalar

_LEAF = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """`estimator` is a fitted forest; `prior` (outputs,) is what the additional tree answers, empty for numbers."""

    estimator: Any
    prior: NDArray[np.float64]
    findings: tuple[str, ...] = ()

    def scores(self, features: Features) -> NDArray[np.float64]:
        """See Model."""
        if not len(self.prior):
            return np.asarray(self.estimator.predict(features), dtype=np.float64).reshape(-1, 1)
        count = len(self.estimator.estimators_)
        shares = (self.estimator.predict_proba(features) * count + self.prior) / (count + 1)
        found: NDArray[np.float64] = np.log(shares)
        return found

    def nodes(self, graph: Graph, features: str) -> str:
        """See Model."""
        votes = graph.add_ml("TreeEnsembleRegressor", features, **self._attributes())
        return graph.add("Log", votes) if len(self.prior) else votes

    def _attributes(self) -> dict[str, Any]:
        """All trees, each leaf divided by their number.

        Source: ONNX operators, ai.onnx.ml TreeEnsembleRegressor-3.
        """
        trees = [each.tree_ for each in self.estimator.estimators_]
        outputs = max(1, len(self.prior))
        total = len(trees) + (1 if len(self.prior) else 0)
        columns: dict[str, list[Any]] = {}
        for number, tree in enumerate(trees):
            for name, values in _tree_columns(number, tree, outputs, total).items():
                columns.setdefault(name, []).extend(values.tolist())
        base = (self.prior / total if len(self.prior) else np.zeros(1)).astype(np.float32).tolist()
        modes = np.where(np.array(columns.pop("is_leaf")), "LEAF", "BRANCH_LEQ").tolist()
        return {**columns, "nodes_modes": modes, "n_targets": outputs, "base_values": base, "post_transform": "NONE"}


def fit_forest(problem: Problem, given: Mapping[str, Scalar], context: TrainingContext) -> Forest:
    """Train on all rows; a forest needs none to stop by."""
    is_extra, share = bool(given["random_thresholds"]), float(given["max_features"])
    settings = {
        "n_estimators": int(given["trees"]),
        "max_depth": int(given["max_depth"]),
        "min_samples_leaf": int(given["min_rows_in_leaf"]),
        "max_features": share or "sqrt",
        "bootstrap": not is_extra,
        "random_state": context.seed,
        "n_jobs": context.threads,
    }
    if problem.classes:
        kind = ExtraTreesClassifier if is_extra else RandomForestClassifier
        counts = np.bincount(problem.target.astype(np.int64), weights=problem.weights, minlength=problem.classes)
        prior = np.asarray(counts / counts.sum(), dtype=np.float64)
    else:
        kind = ExtraTreesRegressor if is_extra else RandomForestRegressor
        prior = np.zeros(0)
    estimator = kind(**settings).fit(problem.features, problem.target, sample_weight=problem.weights)
    nodes = sum(each.tree_.node_count for each in estimator.estimators_)
    context.log(f"{len(estimator.estimators_)} trees with {nodes:,} nodes")
    return Forest(estimator=estimator, prior=prior)


FOREST = Learner(fit=fit_forest)


def _tree_columns(number: int, tree: Any, outputs: int, total: int) -> dict[str, NDArray[Any]]:
    """One tree in ONNX's columns, but for "is_leaf" in place of the modes."""
    count = tree.node_count
    is_leaf = tree.children_left == _LEAF
    leaves = np.flatnonzero(is_leaf)
    values = tree.value[leaves, 0, :]
    if outputs > 1:
        values = values / values.sum(axis=1, keepdims=True)
    inner = np.where(is_leaf, 0, 1)
    return {
        "is_leaf": is_leaf,
        "nodes_treeids": np.full(count, number),
        "nodes_nodeids": np.arange(count),
        "nodes_featureids": tree.feature * inner,
        "nodes_values": _not_above(np.where(is_leaf, 0.0, tree.threshold)),
        "nodes_truenodeids": tree.children_left * inner,
        "nodes_falsenodeids": tree.children_right * inner,
        "nodes_missing_value_tracks_true": tree.missing_go_to_left.astype(np.int64) * inner,
        "target_treeids": np.full(len(leaves) * outputs, number),
        "target_nodeids": np.repeat(leaves, outputs),
        "target_ids": np.tile(np.arange(outputs), len(leaves)),
        "target_weights": (values / total).astype(np.float32).reshape(-1),
    }


def _not_above(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: features are float32, so they fall on the same sides."""
    narrow = thresholds.astype(np.float32)
    return np.where(narrow > thresholds, np.nextafter(narrow, np.float32(-np.inf)), narrow)
