"""Requests that fit a signature, small enough to paste: zeros, and "text" where there is text."""

from collections.abc import Mapping
from math import prod
from typing import Any

from modelyard.protocols.invocations.tables import columns_of
from modelyard.types.signatures import DataType, Signature, TensorSpec

_MOST_VALUES = 1024
_VALUES: Mapping[DataType, Any] = {DataType.BYTES: "text", DataType.BOOL: False}


def row_example(signature: Signature) -> Any:
    """One row as /invocations takes it; None where it would be too long to read."""
    columns = columns_of(signature)
    if columns:
        return {cell.name: _value(cell.spec) for cell in columns}
    if _size(signature) > _MOST_VALUES:
        return None
    rows = {spec.name: _nested(spec, spec.shape[1:]) for spec in signature.inputs}
    return rows if len(rows) > 1 else next(iter(rows.values()))


def csv_example(signature: Signature) -> str | None:
    """The same row as CSV, with a header; None if the model does not take tables."""
    columns = columns_of(signature)
    if not columns or any(set(cell.name) & set('",\n\r;') for cell in columns):
        return None
    return ",".join(c.name for c in columns) + "\n" + ",".join(str(_value(c.spec)) for c in columns) + "\n"


def tensors_example(signature: Signature) -> Any:
    """A batch of one as the Open Inference Protocol has it; None where it would be too long to read."""
    if _size(signature) > _MOST_VALUES:
        return None
    inputs = []
    for spec in signature.inputs:
        shape = [1 if size < 0 else size for size in spec.shape]
        inputs.append(
            {"name": spec.name, "datatype": spec.datatype, "shape": shape, "data": [_value(spec)] * prod(shape)}
        )
    return {"inputs": inputs}


def _value(spec: TensorSpec) -> Any:
    return _VALUES.get(spec.datatype, 0.0 if spec.datatype.startswith("FP") else 0)


def _nested(spec: TensorSpec, shape: tuple[int, ...]) -> Any:
    if not shape:
        return _value(spec)
    return [_nested(spec, shape[1:]) for _ in range(max(shape[0], 1))]


def _size(signature: Signature) -> int:
    return sum(prod(max(size, 1) for size in spec.shape) for spec in signature.inputs)
