"""Rows on the very thresholds of a tree model, where "below" and "not above" part ways.

A converter that rounds a threshold, or takes one comparison for the other, answers random rows rightly and real ones,
whose values repeat those that it was trained on, wrongly.
"""

from pathlib import Path

import numpy as np

from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import DataType, Signature

_MOST_ROWS = 300


def threshold_rows(onnx_file: Path, signature: Signature, *, seed: int = 0) -> Tensors | None:
    """Rows in which every value is a threshold of its column or the closest number beside it.

    None if the model has no trees, or the trees do not read the table itself.
    """
    thresholds = _thresholds(onnx_file, signature)
    if thresholds is None:
        return None
    spec = signature.inputs[0]
    generator = np.random.default_rng(seed)
    rows = min(_MOST_ROWS, 3 * max(len(values) for values in thresholds.values()))
    table = np.zeros((rows, spec.shape[1]), dtype=np.float32)
    for column, values in thresholds.items():
        near = np.concatenate([values, np.nextafter(values, -np.inf), np.nextafter(values, np.inf)])
        table[:, column] = generator.choice(near.astype(np.float32), rows)
    return {spec.name: table}


def _thresholds(onnx_file: Path, signature: Signature) -> dict[int, np.ndarray] | None:
    """Column -> the numbers that it is compared with."""
    import onnx  # noqa: PLC0415 - heavy

    spec = signature.inputs[0]
    if len(signature.inputs) != 1 or spec.datatype is not DataType.FP32 or len(spec.shape) != 2:  # noqa: PLR2004
        return None
    found: dict[int, set[float]] = {}
    for node in onnx.load(str(onnx_file)).graph.node:
        if not node.op_type.startswith("TreeEnsemble") or node.input[0] != spec.name:
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_values" not in attributes:
            continue  # written in 64 bits, or in the form of another operator set
        modes, columns = attributes["nodes_modes"].strings, attributes["nodes_featureids"].ints
        for mode, column, value in zip(modes, columns, attributes["nodes_values"].floats, strict=True):
            if mode != b"LEAF" and np.isfinite(value):
                found.setdefault(column, set()).add(value)
    return {column: np.array(sorted(values), dtype=np.float32) for column, values in found.items()} or None
