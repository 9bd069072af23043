"""Keeps the thresholds of a converted LightGBM model on the right side of the values that they were made from.

LightGBM compares with 64 bits, ONNX with 32. The converter rounds to the nearest 32-bit number, which may lie above
the threshold: a row that has exactly this value (5.05, where trees split at 5.05) then goes the other way.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

_LESS_OR_EQUAL = b"BRANCH_LEQ"


def round_thresholds_down(model: Any, booster: Any) -> None:
    """Give each split the largest 32-bit number that is not above its threshold: equal for every 32-bit input."""
    thresholds: dict[tuple[int, float], list[float]] = {}
    for column, threshold in _splits(booster):
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


def _splits(booster: Any) -> Iterator[tuple[int, float]]:
    """(column, threshold) of every split, out of the text form: it holds a line of each for every tree."""
    columns: list[str] = []
    for line in booster.model_to_string().splitlines():
        name, _, numbers = line.partition("=")
        if name == "split_feature":
            columns = numbers.split()
        elif name == "threshold":
            yield from zip(map(int, columns), map(float, numbers.split()), strict=True)
