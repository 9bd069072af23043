"""Corrections of what skl2onnx makes of encoders and imputers: odd values are answered as by scikit-learn."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def keep_fractions_apart(model: Any) -> None:
    """Let a number that is not whole be unknown to a one-hot encoder: skl2onnx cuts 1.7 down to the category 1."""
    graph = model.graph
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    for encoder in [node for node in graph.node if node.op_type == "OneHotEncoder"]:
        categories = next((a.ints for a in encoder.attribute if a.name == "cats_int64s"), None)
        cast = casts.get(encoder.input[0])
        if not categories or cast is None:
            continue
        value, name = cast.input[0], f"modelyard_{encoder.output[0]}"
        number = helper.make_tensor(f"{name}_unknown", TensorProto.INT64, [1], [max(categories) + 1])
        graph.initializer.append(number)
        nodes = [
            helper.make_node("Floor", [value], [f"{name}_floor"]),
            helper.make_node("Equal", [value, f"{name}_floor"], [f"{name}_is_whole"]),
            helper.make_node("Where", [f"{name}_is_whole", encoder.input[0], number.name], [f"{name}_known"]),
        ]
        encoder.input[0] = f"{name}_known"
        _insert_before(graph, encoder, nodes)


def encode_missing_as_nan(model: Any) -> None:
    """Let ordinal codes of missing texts be NaN, which is what scikit-learn makes of them and trees then know.

    They are the only codes of texts that are floats.
    """
    for encoder in model.graph.node:
        attributes = {attribute.name: attribute for attribute in encoder.attribute}
        if encoder.op_type != "LabelEncoder" or not {"keys_strings", "values_floats"} <= attributes.keys():
            continue
        for place, key in enumerate(attributes["keys_strings"].strings):
            if not key:
                attributes["values_floats"].floats[place] = np.nan


def impute_doubles(model: Any) -> None:
    """Fill gaps by general operators: ONNX Runtime has no imputer for 64 bits."""
    graph = model.graph
    for imputer in [node for node in graph.node if node.op_type == "Imputer"]:
        attributes = {attribute.name: attribute for attribute in imputer.attribute}
        if "imputed_value_floats" not in attributes or not np.isnan(attributes["replaced_value_float"].f):
            continue
        name = f"modelyard_{imputer.output[0]}"
        values = np.array(attributes["imputed_value_floats"].floats, dtype=np.float64)
        graph.initializer.append(numpy_helper.from_array(values, f"{name}_values"))
        nodes = [
            helper.make_node("IsNaN", [imputer.input[0]], [f"{name}_is_missing"]),
            helper.make_node("Where", [f"{name}_is_missing", f"{name}_values", imputer.input[0]], [imputer.output[0]]),
        ]
        _insert_before(graph, imputer, nodes)
        graph.node.remove(imputer)


def _insert_before(graph: Any, node: Any, nodes: list[Any]) -> None:
    place = next(index for index, one in enumerate(graph.node) if one.output[0] == node.output[0])
    for offset, one in enumerate(nodes):
        graph.node.insert(place + offset, one)
