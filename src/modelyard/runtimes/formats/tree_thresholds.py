"""Keeps the thresholds of converted trees on the right side of the values that they were made from.

LightGBM and scikit-learn's histogram boosting compare with 64 bits, ONNX with 32. The converters round to the nearest
32-bit number, which may lie above the threshold: a row that has exactly this value (5.05, where a tree splits at 5.05)
then goes the other way.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_LESS_OR_EQUAL = b"BRANCH_LEQ"
_WIDE_OPSET = 3  # the first of ai.onnx.ml whose trees have 64-bit thresholds


def round_thresholds_down(model: Any, splits: Iterable[tuple[int, float]]) -> None:
    """Give each split the largest 32-bit number that is not above its threshold: equal for every 32-bit input.

    Args:
        model: an ONNX model whose trees are those that the splits come from.
        splits: (column, threshold) of every split, in 64 bits.
    """
    thresholds: dict[tuple[int, float], list[float]] = {}
    with np.errstate(over="ignore"):
        for column, threshold in splits:
            thresholds.setdefault((column, float(np.float32(threshold))), []).append(threshold)
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_values" not in attributes or "nodes_modes" not in attributes:
            continue
        values, columns = attributes["nodes_values"].floats, attributes["nodes_featureids"].ints
        for index, mode in enumerate(attributes["nodes_modes"].strings):
            made_from = thresholds.get((columns[index], values[index]), [])
            if mode == _LESS_OR_EQUAL and made_from and max(made_from) < values[index]:
                values[index] = float(np.nextafter(np.float32(values[index]), np.float32(-np.inf)))


def keep_thresholds(model: Any, splits: Iterable[tuple[int, float]]) -> None:
    """Give each split its threshold in 64 bits, for a model that compares 64-bit numbers with them.

    Args:
        model: as above; its trees are those of one ensemble.
        splits: as above. Two that are one number in 32 bits both become the lower.
    """
    from onnx import helper, numpy_helper  # noqa: PLC0415 - heavy

    exact: dict[tuple[int, float], float] = {}
    with np.errstate(over="ignore"):
        for column, threshold in sorted(splits, reverse=True):
            exact[column, float(np.float32(threshold))] = threshold
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if not exact or "nodes_values" not in attributes or "nodes_featureids" not in attributes:
            continue
        rounded, columns = attributes["nodes_values"].floats, attributes["nodes_featureids"].ints
        values = [exact.get(key, key[1]) for key in zip(columns, rounded, strict=True)]
        node.attribute.remove(attributes["nodes_values"])
        tensor = numpy_helper.from_array(np.array(values, dtype=np.float64), "nodes_values_as_tensor")
        node.attribute.append(helper.make_attribute("nodes_values_as_tensor", tensor))
        for entry in model.opset_import:
            entry.version = max(entry.version, _WIDE_OPSET) if entry.domain == "ai.onnx.ml" else entry.version


def lightgbm_splits(booster: Any) -> Iterator[tuple[int, float]]:
    """Out of the text form of a lightgbm.Booster: it holds a line of columns and of thresholds for every tree."""
    columns: list[str] = []
    for line in booster.model_to_string().splitlines():
        name, _, numbers = line.partition("=")
        if name == "split_feature":
            columns = numbers.split()
        elif name == "threshold":
            yield from zip(map(int, columns), map(float, numbers.split()), strict=True)


def histogram_splits(estimator: Any) -> Iterator[tuple[int, float]]:
    """Out of scikit-learn's histogram boosting, alone or as the last step; none of other estimators."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    for stage in getattr(last, "_predictors", ()):
        for tree in stage:
            splits = tree.nodes[tree.nodes["is_leaf"] == 0]
            yield from zip(splits["feature_idx"].tolist(), splits["num_threshold"].tolist(), strict=True)
