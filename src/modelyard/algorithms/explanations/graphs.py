"""Finds the trees in an ONNX file and what their features are made of, reading the file as data: no model is loaded.

Only graphs whose features each come from one input are taken (columns that are joined, encoded, filled in, scaled).
Whether the trees are the whole model is not guessed: `find_link` compares them with the model's own answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.explanations.players import Player, mixed
from modelyard.algorithms.explanations.trees import MODES, MOST_DEPTH, Branches, Ensemble
from modelyard.runtimes.base import Tensors

_MOST_BYTES = 64 << 20
_MOST_CELLS = 4_000_000  # leaves times depth: a tenth of a second for each background row
_ENSEMBLES = ("TreeEnsembleRegressor", "TreeEnsembleClassifier")
_COLUMN_WISE = frozenset(
    (
        "Identity",
        "Cast",
        "Concat",
        "Gather",
        "OneHotEncoder",
        "Imputer",
        "Scaler",
        "IsNaN",
        "Where",
        "Sub",
        "Add",
        "Mul",
        "Div",
        "Reshape",
        "Flatten",
    )
)
_MOST_CHANGES, _CHANGES_AT_ONCE = 200_000_000, 4_000_000  # features to look at: a second, and 16 MB
_CLOSE = 1e-4
_BINARY = 2
_LEAF = "LEAF"


@dataclass(frozen=True, slots=True)
class TreeModel:
    """The trees of a model, and a function that makes their features (n, f) of input tensors."""

    ensemble: Ensemble
    features: Any

    def owners(self, players: Sequence[Player], row: Tensors, background: Tensors) -> NDArray[np.intp] | None:
        """The player that each feature comes from, (f,); None if one comes from several, or if finding out takes long.

        Features that are the same in the row and all the background rows belong to the first: they explain nothing.
        """
        before = self.features(background)
        if len(players) * before.size > _MOST_CHANGES:
            return None
        step = max(1, _CHANGES_AT_ONCE // before.size)
        every, parts = np.eye(len(players), dtype=bool), []
        for start in range(0, len(players), step):
            changed = self.features(mixed(players, row, background, every[start : start + step]))
            after = changed.reshape(-1, *before.shape)
            parts.append(~((after == before) | (np.isnan(after) & np.isnan(before))).all(axis=1))
        is_moved = np.concatenate(parts)
        if (is_moved.sum(axis=0) > 1).any():
            return None
        owner: NDArray[np.intp] = is_moved.argmax(axis=0)
        return owner


@dataclass(frozen=True, slots=True)
class Link:
    """How answers follow from the sums over the trees: `weights` (outputs,) of them are what can be explained."""

    weights: NDArray[np.float64]
    unit: str


def read_trees(path: Path) -> TreeModel | None:
    """The trees of an ONNX file; None if it holds no single ensemble over separate inputs."""
    import onnx  # noqa: PLC0415 - 0.3 s that control must not wait for at its start

    if path.stat().st_size > _MOST_BYTES:
        return None
    model = onnx.load(path, load_external_data=False)
    nodes = [node for node in model.graph.node if node.op_type in _ENSEMBLES]
    if len(nodes) != 1:
        return None
    ensemble = _ensemble({each.name: onnx.helper.get_attribute_value(each) for each in nodes[0].attribute})
    features = _features(model, nodes[0].input[0])
    return None if ensemble is None or features is None else TreeModel(ensemble, features)


def find_link(sums: NDArray[np.float64], outputs: Mapping[str, NDArray[Any]], target: int) -> Link | None:
    """How the model's answers follow from its trees; None if they do not.

    Args:
        sums: (n, outputs) of the trees.
        outputs: the model's own answers to the same n rows.
        target: number of the class to explain; of no meaning for regression.
    """
    if "prediction" in outputs:
        answers = np.asarray(outputs["prediction"], dtype=np.float64).reshape(-1)
        is_sum = sums.shape[1] == 1 and np.allclose(sums[:, 0], answers, rtol=_CLOSE, atol=_CLOSE)
        return Link(np.ones(1), "prediction") if is_sum else None
    probabilities = np.asarray(outputs.get("probabilities", np.zeros((0, 0))), dtype=np.float64)
    if probabilities.ndim != 2 or len(probabilities) != len(sums):  # noqa: PLR2004 - rows and classes
        return None
    classes, outputs_count = probabilities.shape[1], sums.shape[1]
    chosen = np.eye(classes)[target]
    sign = np.array([1.0 if target == 1 else -1.0])
    if outputs_count == 1 and classes == _BINARY:
        return _checked(
            [(sums[:, 0], Link(sign, "probability")), (_sigmoid(sums[:, 0]), Link(sign, "log-odds"))],
            probabilities[:, 1],
        )
    if outputs_count != classes:
        return None
    margin = Link(2 * (chosen - 0.5), "log-odds") if classes == _BINARY else Link(chosen - 1 / classes, "margin")
    return _checked([(sums, Link(chosen, "probability")), (_softmax(sums), margin)], probabilities)


def _checked(candidates: Sequence[tuple[NDArray[np.float64], Link]], answers: NDArray[np.float64]) -> Link | None:
    return next((link for made, link in candidates if np.allclose(made, answers, rtol=0, atol=_CLOSE)), None)


def _sigmoid(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1 + np.tanh(sums / 2)))


def _softmax(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(sums - sums.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _ensemble(given: Mapping[str, Any]) -> Ensemble | None:
    """Out of the attributes of a node. Source: ONNX operators, ai.onnx.ml TreeEnsembleRegressor-3, -Classifier-3."""
    kind = "target" if "target_weights" in given else "class"
    if given.get("aggregate_function", b"SUM") != b"SUM" or f"{kind}_weights" not in given:
        return None
    modes = np.array([mode.decode() for mode in given["nodes_modes"]])
    if not set(modes.tolist()) <= {*MODES, _LEAF}:
        return None
    trees, numbers = given["nodes_treeids"], given["nodes_nodeids"]
    place = {pair: index for index, pair in enumerate(zip(trees, numbers, strict=True))}
    sides = [given["nodes_falsenodeids"], given["nodes_truenodeids"]]
    children = [
        None if modes[index] == _LEAF else tuple(place[trees[index], side[index]] for side in sides)
        for index in range(len(modes))
    ]
    ways = _ways(children)
    depth = max(1, *(len(way) for way in ways.values()))
    if depth > MOST_DEPTH or len(ways) * depth > _MOST_CELLS:
        return None
    outputs = max(1, int(given.get("n_targets", 0)), *(number + 1 for number in given[f"{kind}_ids"]))
    leaf = np.zeros((len(ways), outputs))
    of_leaf = {index: number for number, index in enumerate(ways)}
    keys = zip(given[f"{kind}_treeids"], given[f"{kind}_nodeids"], given[f"{kind}_ids"], strict=True)
    for (tree, number, output), weight in zip(keys, given[f"{kind}_weights"], strict=True):
        leaf[of_leaf[place[tree, number]], output] += weight
    leaf, base = _narrowed(leaf, np.array(given.get("base_values", [0.0] * outputs), dtype=np.float64))
    path, side = np.full((len(ways), depth), -1, dtype=np.intp), np.zeros((len(ways), depth), dtype=bool)
    for number, way in enumerate(ways.values()):
        for step, (node, is_true) in enumerate(way):
            path[number, step], side[number, step] = node, is_true
    branches = Branches(
        feature=np.array(given["nodes_featureids"], dtype=np.intp),
        threshold=np.array(given["nodes_values"], dtype=np.float32),
        mode=np.where(modes == _LEAF, "BRANCH_LEQ", modes),
        missing_is_true=np.array(given.get("nodes_missing_value_tracks_true") or [0] * len(modes), dtype=bool),
    )
    return Ensemble(branches, path, side, leaf, base)


def _narrowed(leaf: NDArray[np.float64], base: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A classifier of two classes may keep only weights of one: then its single column is what counts."""
    used = np.flatnonzero(np.abs(leaf).sum(axis=0) > 0)
    if leaf.shape[1] == _BINARY and len(used) == 1:
        leaf = leaf[:, used]
    base = base if len(base) == leaf.shape[1] else np.resize(base[-1:], leaf.shape[1])
    return leaf, base


def _ways(children: Sequence[tuple[int, ...] | None]) -> dict[int, list[tuple[int, bool]]]:
    """Leaf -> the (node, side) pairs from its root to it."""
    inner = {child for pair in children if pair is not None for child in pair}
    found: dict[int, list[tuple[int, bool]]] = {}
    open_: list[tuple[int, list[tuple[int, bool]]]] = [(root, []) for root in range(len(children)) if root not in inner]
    while open_:
        node, way = open_.pop()
        pair = children[node]
        if pair is None:
            found[node] = way
        else:
            open_ += [(pair[side], [*way, (node, bool(side))]) for side in (0, 1)]
    return found


def _features(model: Any, wanted: str) -> Any:
    """A function from input tensors to the tensor `wanted`, or None if more than column-wise nodes make it."""
    import onnx  # noqa: PLC0415 - as above
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    graph = model.graph
    needed: set[str] = {wanted}
    nodes: list[Any] = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            if node.op_type not in _COLUMN_WISE:
                return None
            nodes.insert(0, node)
            needed |= set(node.input)
    inputs = [each for each in graph.input if each.name in needed]
    if not nodes:
        return lambda tensors: np.asarray(tensors[wanted], dtype=np.float32)
    output = onnx.helper.make_tensor_value_info(wanted, onnx.TensorProto.FLOAT, None)
    constants = [each for each in graph.initializer if each.name in needed]
    part = onnx.helper.make_graph(nodes, "features", inputs, [output], initializer=constants)
    evaluator = ReferenceEvaluator(onnx.helper.make_model(part, opset_imports=model.opset_import))
    names = [each.name for each in inputs]

    def features(tensors: Tensors) -> NDArray[np.float32]:
        made: Any = evaluator.run(None, {name: tensors[name] for name in names})
        return np.asarray(made[0], dtype=np.float32)

    return features
