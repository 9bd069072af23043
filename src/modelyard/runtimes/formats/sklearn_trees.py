"""Teaches a converted scikit-learn tree or forest where missing values go.

skl2onnx writes that they go right everywhere; scikit-learn remembers a side for each node. With the sides set, the
ONNX form answers rows with NaN as the original does, and keeps the 200-fold speed.
"""

from typing import Any

import numpy as np
from onnx import TensorProto, helper

_SIDES = "nodes_missing_value_tracks_true"


def route_missing_values(model: Any, estimator: Any) -> None:
    """Set the sides in the tree ensembles of `model`, if `estimator` (or its last step) is a tree or made of trees.

    A forest becomes one ensemble, a bag of trees one ensemble each; other ways of nesting are left to parity.
    """
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    trees = [member.tree_ for member in getattr(last, "estimators_", [last]) if hasattr(member, "tree_")]
    ensembles = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    if not trees or not hasattr(trees[0], "missing_go_to_left"):
        return
    if len(ensembles) == 1:
        _set_sides(ensembles[0], trees)
    elif len(ensembles) == len(trees):
        for ensemble, tree in zip(ensembles, trees, strict=True):
            _set_sides(ensemble, [tree])


def narrow_before_trees(model: Any, estimator: Any) -> None:
    """Let trees see 32-bit numbers where all else is calculated in 64: scikit-learn's own take nothing else."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    members = np.ravel(getattr(last, "estimators_", [last]))
    if not all(hasattr(member, "tree_") for member in members):
        return
    graph = model.graph
    places = [place for place, node in enumerate(graph.node) if node.op_type.startswith("TreeEnsemble")]
    for place in reversed(places):
        ensemble = graph.node[place]
        narrow = f"modelyard_narrow_{ensemble.output[0]}"
        cast = helper.make_node("Cast", [ensemble.input[0]], [narrow], to=TensorProto.FLOAT)
        ensemble.input[0] = narrow
        graph.node.insert(place, cast)


def _set_sides(ensemble: Any, trees: list[Any]) -> None:
    attributes = {attribute.name: attribute for attribute in ensemble.attribute}
    places = list(zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True))
    if len(places) != sum(tree.node_count for tree in trees):
        return  # not one ONNX tree per scikit-learn tree (boosting): parity decides
    sides = [int(trees[tree].missing_go_to_left[node]) for tree, node in places]
    if _SIDES in attributes:
        ensemble.attribute.remove(attributes[_SIDES])
    ensemble.attribute.append(helper.make_attribute(_SIDES, sides))
