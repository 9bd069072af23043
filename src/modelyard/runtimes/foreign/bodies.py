"""Batches as the JSON and CSV bodies that model servers take, and back.

JSON: `{"instances": [row, ...]}`, a row being the input's own, or an object by input name if there are several.
Answers: `{"predictions": [...]}`, a bare list, or an object by output name. CSV: a row a line, the inputs side by side.

Source: SageMaker Developer Guide, "Common Data Formats for Inference"; TensorFlow Serving REST API, row format.
"""

import csv
import io
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from modelyard.runtimes.base import Tensor, Tensors
from modelyard.runtimes.foreign.outputs import fitting
from modelyard.runtimes.tensors import TensorInvalidError
from modelyard.types.signatures import DataType, Signature, TensorSpec

JSON, CSV, ANY = "application/json", "text/csv", "*/*"


def encode(inputs: Mapping[str, Tensor], content_type: str) -> bytes:
    """A batch as a request body."""
    if content_type == CSV:
        target = io.StringIO()
        columns = [array.reshape(len(array), -1).tolist() for array in inputs.values()]
        writer = csv.writer(target, lineterminator="\n")
        writer.writerows([cell for part in row for cell in part] for row in zip(*columns, strict=True))
        return target.getvalue().encode()
    rows = {name: array.tolist() for name, array in inputs.items()}
    if len(rows) == 1:
        instances: list[Any] = next(iter(rows.values()))
    else:
        instances = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    return msgspec.json.encode({"instances": instances})


def decode(body: bytes, content_type: str, signature: Signature) -> Tensors:
    """The outputs in an answer.

    Raises:
        TensorInvalidError: the answer does not hold what the signature says.
    """
    try:
        values = _from_csv(body, signature) if content_type == CSV else _from_json(body, signature)
        arrays = {spec.name: _array(spec, values.get(spec.name)) for spec in signature.outputs}
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise TensorInvalidError(f"the server's answer is not understood: {error}") from error
    return {spec.name: fitting(spec, arrays[spec.name]) for spec in signature.outputs}


def _from_json(body: bytes, signature: Signature) -> dict[str, Any]:
    found = msgspec.json.decode(body)
    names = [spec.name for spec in signature.outputs]
    if isinstance(found, dict) and "predictions" in found and "predictions" not in names:
        found = found["predictions"]
    if isinstance(found, dict):
        return found
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return {name: [row[name] for row in found] for name in names if all(name in row for row in found)}
    return {names[0]: found} if len(names) == 1 else {}


def _from_csv(body: bytes, signature: Signature) -> dict[str, Any]:
    """The cells of each line, dealt to the outputs in their order and width."""
    rows = [row for row in csv.reader(io.StringIO(body.decode())) if row]
    values, position = {}, 0
    for spec in signature.outputs:
        width = spec.shape[1] if len(spec.shape) > 1 else 1
        end = len(rows[0]) if width == -1 and rows else position + width
        cells = [row[position:end] for row in rows]
        values[spec.name] = cells if len(spec.shape) > 1 else [row[0] for row in cells]
        position = end
    return values


def _array(spec: TensorSpec, value: Any) -> Tensor | None:
    if value is None:
        return None
    if spec.datatype is DataType.BYTES:
        return np.array(value, dtype=object)
    array = np.array(value)
    if array.dtype.kind in "US":  # CSV
        array = array.astype(np.float64)
        return array.astype(np.int64) if "INT" in spec.datatype.value and (array % 1 == 0).all() else array
    return array.astype(np.float64) if array.dtype.kind == "O" else array  # null is NaN
