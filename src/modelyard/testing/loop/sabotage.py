"""Ways in which a retraining goes wrong: in its data, or in the model that comes out."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.runtimes.bundle import COMPILATION, read_manifest, write_golden
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.golden import make_golden
from modelyard.testing.loop.concepts import REGIONS, Table

ORDER = "sabotage"
"""File in the state directory that names the kind; none: jobs are as they should be."""

_PRODUCTS = 3
_PROBABILITIES = "probabilities"


def shuffled(table: Table, random: np.random.Generator) -> Table:
    """The labels of other rows."""
    return replace(table, labels=random.permutation(table.labels).tolist())


def wrong_in(table: Table, region: str) -> Table:
    """The other label in one region."""
    other = {"yes": "no", "no": "yes"}
    pairs = zip(table.regions, table.labels, strict=True)
    return replace(table, labels=[other[label] if where == region else label for where, label in pairs])


def slow_down(bundle: Path, size: int) -> None:
    """The same answers after some products of `size` x `size` matrices."""
    from onnx import helper, numpy_helper  # noqa: PLC0415 - takes a second

    def change(graph: Any) -> None:
        _free(graph, _PROBABILITIES)
        graph.initializer.append(numpy_helper.from_array(np.full((size, size), 1e-6, dtype=np.float32), "matrix"))
        graph.initializer.append(numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"))
        # What is multiplied depends on the request: else the runtime would do it once, when it loads.
        source = f"{_PROBABILITIES}_before"
        names = ["matrix", *(f"product_{number}" for number in range(_PRODUCTS))]
        graph.node.extend(
            [
                helper.make_node("ReduceMax", [source], ["probe"], keepdims=0),
                helper.make_node("Add", ["matrix", "probe"], ["factor"]),
                *(helper.make_node("MatMul", [one, "factor"], [other]) for one, other in pairwise(names)),
                helper.make_node("ReduceMax", [names[-1]], ["largest"], keepdims=0),
                helper.make_node("Mul", ["largest", "zero"], ["nothing"]),
                helper.make_node("Add", [source, "nothing"], [_PROBABILITIES]),
            ]
        )

    _change(bundle, change)


def slow_down_many_rows(bundle: Path) -> None:
    """The same answers, after a time that grows with the third power of the number of rows: few rows show nothing."""
    from onnx import helper, numpy_helper  # noqa: PLC0415 - takes a second

    def change(graph: Any) -> None:
        _free(graph, _PROBABILITIES)
        graph.initializer.append(numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"))
        source = f"{_PROBABILITIES}_before"
        graph.node.extend(
            [
                helper.make_node("Transpose", [source], ["transposed"], perm=[1, 0]),
                helper.make_node("MatMul", [source, "transposed"], ["every_pair"]),
                helper.make_node("MatMul", ["every_pair", "every_pair"], ["every_triple"]),
                helper.make_node("ReduceMax", ["every_triple"], ["largest"], keepdims=0),
                helper.make_node("Mul", ["largest", "zero"], ["nothing"]),
                helper.make_node("Add", [source, "nothing"], [_PROBABILITIES]),
            ]
        )

    _change(bundle, change)


def fail_on_new_regions(bundle: Path) -> None:
    """A lookup that has a place for each region that it was made with, and for no other."""
    from onnx import helper, numpy_helper  # noqa: PLC0415 - takes a second

    def change(graph: Any) -> None:
        _free(graph, _PROBABILITIES)
        graph.initializer.append(numpy_helper.from_array(np.zeros(1, dtype=np.float32), "known"))
        places: dict[str, Any] = {
            "keys_strings": list(REGIONS),
            "values_int64s": [0] * len(REGIONS),
            "default_int64": 1,
        }
        graph.node.extend(
            [
                helper.make_node("LabelEncoder", ["categorical"], ["place"], domain="ai.onnx.ml", **places),
                helper.make_node("Gather", ["known", "place"], ["nothing"]),
                helper.make_node("Add", [f"{_PROBABILITIES}_before", "nothing"], [_PROBABILITIES]),
            ]
        )

    _change(bundle, change)


def spoil_with_nan(bundle: Path, tensor: str, above: float) -> None:
    """NaN probabilities for rows in which the largest value of the input `tensor` (n, ...) is above a limit."""
    from onnx import helper, numpy_helper  # noqa: PLC0415 - takes a second

    def change(graph: Any) -> None:
        _free(graph, _PROBABILITIES)
        rank = next(len(value.type.tensor_type.shape.dim) for value in graph.input if value.name == tensor)
        constants = {"limit": np.float32(above), "not_a_number": np.float32(np.nan), "column": np.array([-1, 1])}
        graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
        graph.node.extend(
            [
                helper.make_node("ReduceMax", [tensor], ["largest"], axes=[*range(1, rank)], keepdims=0),
                helper.make_node("Reshape", ["largest", "column"], ["largest_column"]),
                helper.make_node("Greater", ["largest_column", "limit"], ["is_spoilt"]),
                helper.make_node("Where", ["is_spoilt", "not_a_number", f"{_PROBABILITIES}_before"], [_PROBABILITIES]),
            ]
        )

    _change(bundle, change)


def renew_golden(bundle: Path, inputs: dict[str, Any]) -> None:
    """Golden requests that the bundle answers rightly, whatever was done to it."""
    manifest = read_manifest(bundle)
    predictor = runtime_for(manifest.artifact_format).load(bundle / manifest.artifact, manifest.signature)
    write_golden(bundle, make_golden(predictor, inputs))


def _change(bundle: Path, change: Callable[[Any], None]) -> None:
    """Change the graph, and serve it as it is."""
    import onnx  # noqa: PLC0415 - takes a second

    (bundle / COMPILATION).unlink(missing_ok=True)
    path = bundle / read_manifest(bundle).artifact
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)


def _free(graph: Any, output: str) -> None:
    """Take an output's name from the nodes that have it, for one that is added behind them."""
    for node in graph.node:
        for names in (node.output, node.input):
            for place, name in enumerate(names):
                if name == output:
                    names[place] = f"{output}_before"
