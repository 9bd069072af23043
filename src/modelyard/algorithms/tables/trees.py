"""Gradient-boosted trees by XGBoost, and their ONNX form.

The trees go into a TreeEnsembleRegressor node as they stand in XGBoost's own model file. The usual converter takes a
second to import and disagrees with itself about base scores and operator versions between releases.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.preparation.two_classes import with_first_class
from modelyard.algorithms.tables.boosted.rounds import Boosting
from modelyard.algorithms.tables.boosted.schedule import read_schedule
from modelyard.algorithms.tables.encoding import Features
from modelyard.algorithms.tables.models import Learner, Problem
from modelyard.types.signatures import Scalar

_BINARY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """A booster of `outputs` values a row: margins of a classifier (one if binary), or a prediction."""

    booster: xgboost.Booster
    outputs: int
    is_binary: bool
    findings: tuple[str, ...] = ()

    def scores(self, features: Features) -> NDArray[np.float32]:
        """See Model."""
        margins = self.booster.inplace_predict(features, predict_type="margin").reshape(len(features), self.outputs)
        if not self.is_binary:
            return np.asarray(margins, dtype=np.float32)
        return with_first_class(margins)

    def nodes(self, graph: Graph, features: str) -> str:
        """See Model."""
        ensemble = _Ensemble(json.loads(self.booster.save_raw("json"))["learner"], self.outputs)
        margins = graph.add_ml("TreeEnsembleRegressor", features, **ensemble.attributes())
        if not self.is_binary:
            return margins
        # softmax([0, m]) is the sigmoid of m.
        return graph.dense(margins, np.array([[0.0, 1.0]]), np.zeros(2))


def boosted_trees(given: Mapping[str, Scalar]) -> Learner:
    """How trees with these hyper-parameters are fitted."""
    return Learner(fit=fit_trees, has_validation=bool(given["early_stopping_rounds"]))


def fit_trees(problem: Problem, given: Mapping[str, Scalar], context: TrainingContext) -> Trees:
    """Train, with early stopping if there are validation rows."""
    metric = {0: "rmse", _BINARY: "logloss"}.get(problem.classes, "mlogloss")
    stages = read_schedule(given)
    fixed: dict[str, Any] = {
        "objective": {0: "reg:squarederror", _BINARY: "binary:logistic"}.get(problem.classes, "multi:softprob"),
        "eval_metric": metric,
        "tree_method": "hist",
        "nthread": context.threads,
        "seed": context.seed,
        "verbosity": 0,
    }
    if problem.classes > _BINARY:
        fixed["num_class"] = problem.classes
    plan = {each.start: {**fixed, **_named(each.given)} for each in stages}
    boosting = Boosting(
        plan, problem, int(given["early_stopping_rounds"]), context, is_to_go_on=bool(given["schedule"])
    )
    booster = boosting.run(int(given["rounds"]))
    context.log(f"{booster.num_boosted_rounds()} rounds of trees")
    outputs = problem.classes if problem.classes > _BINARY else 1
    return Trees(booster=booster, outputs=outputs, is_binary=problem.classes == _BINARY)


def _named(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """By XGBoost's names."""
    theirs = {"learning_rate": "eta", "reg_lambda": "lambda"}
    return {theirs.get(name, name): value for name, value in given.items()}


def rounds_of(model: object) -> dict[str, Scalar]:
    """Hyper-parameters that train as many rounds again, without rows set aside to stop by; none for other models."""
    if not isinstance(model, Trees):
        return {}
    return {"rounds": model.booster.num_boosted_rounds(), "early_stopping_rounds": 0}


class _Ensemble:
    """XGBoost's JSON trees as attributes of a TreeEnsembleRegressor.

    Source: XGBoost "Introduction to Model IO"; ONNX operators, ai.onnx.ml TreeEnsembleRegressor-3.
    """

    def __init__(self, learner: Mapping[str, Any], outputs: int) -> None:
        self._trees = learner["gradient_booster"]["model"]["trees"]
        self._groups = learner["gradient_booster"]["model"]["tree_info"]
        self._outputs = outputs
        base = np.resize(_numbers(learner["learner_model_param"]["base_score"]), outputs)
        is_logistic = learner["objective"]["name"] == "binary:logistic"
        # The file holds the base score as a probability; trees add to its margin.
        self._base = np.log(base / (1 - base)) if is_logistic else base

    def attributes(self) -> dict[str, Any]:
        """All attributes of the node."""
        columns: dict[str, list[Any]] = {}
        for number, (tree, group) in enumerate(zip(self._trees, self._groups, strict=True)):
            for name, values in self._tree(number, tree, group):
                columns.setdefault(name, []).extend(values)
        base = self._base.astype(np.float32).tolist()
        return {**columns, "n_targets": self._outputs, "base_values": base, "post_transform": "NONE"}

    def _tree(self, number: int, tree: Mapping[str, Any], group: int) -> Iterable[tuple[str, Iterable[Any]]]:
        left = tree["left_children"]
        nodes = range(len(left))
        leaves = [node for node in nodes if left[node] < 0]
        is_leaf = [child < 0 for child in left]
        yield "nodes_treeids", [number] * len(left)
        yield "nodes_nodeids", nodes
        yield "nodes_modes", ["LEAF" if leaf else "BRANCH_LT" for leaf in is_leaf]
        yield "nodes_featureids", [0 if is_leaf[n] else tree["split_indices"][n] for n in nodes]
        yield "nodes_values", [0.0 if is_leaf[n] else tree["split_conditions"][n] for n in nodes]
        yield "nodes_truenodeids", [0 if is_leaf[n] else left[n] for n in nodes]
        yield "nodes_falsenodeids", [0 if is_leaf[n] else tree["right_children"][n] for n in nodes]
        yield "nodes_missing_value_tracks_true", [0 if is_leaf[n] else int(tree["default_left"][n]) for n in nodes]
        yield "target_treeids", [number] * len(leaves)
        yield "target_nodeids", leaves
        yield "target_ids", [group] * len(leaves)
        # XGBoost keeps a leaf's value where other nodes have their threshold.
        yield "target_weights", [tree["split_conditions"][n] for n in leaves]


def _numbers(text: str) -> NDArray[np.float64]:
    """Numbers of "0.5" as of "[0.5,0.2]": releases differ."""
    return np.array([float(part) for part in text.strip("[]").split(",")])
