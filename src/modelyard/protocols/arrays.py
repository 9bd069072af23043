"""From arrays (npy, Parquet columns, pixels) to the tensors of a signature. Shared by dialects."""

from collections.abc import Mapping
from math import prod

import numpy as np

from modelyard.dataplane.tensors import WireTensor
from modelyard.runtimes.base import Tensor, numpy_dtype
from modelyard.runtimes.tensors import to_raw
from modelyard.runtimes.validate import TensorShapeError, TensorTypeError
from modelyard.types.signatures import DataType, Signature, TensorSpec

_FROM_KINDS = {"f": "fiub", "i": "iuf", "u": "iuf", "b": "b", "O": "OUS"}
"""Kind of the model's type -> kinds that it is made from; floats become integers only where they are whole."""


def from_array(signature: Signature, array: Tensor) -> list[WireTensor]:
    """The only tensor of a signature. A row alone becomes a batch of one; rows may be flat.

    Raises:
        TensorShapeError: the model takes several inputs.
        TensorTypeError: elements of another type.
    """
    if len(signature.inputs) != 1:
        names = ", ".join(f"'{spec.name}'" for spec in signature.inputs)
        raise TensorShapeError("one array came", hint=f"The model takes {names}: send JSON, CSV or Parquet.")
    spec = signature.inputs[0]
    rest = spec.shape[1:]
    is_one_row = array.ndim == len(rest) and all(
        want in (-1, size) for want, size in zip(rest, array.shape, strict=True)
    )
    if is_one_row and spec.shape:
        array = array.reshape(1, *array.shape)
    elif array.ndim == 2 and -1 not in rest and array.shape[1] == prod(rest):  # noqa: PLR2004 - (rows, values)
        array = array.reshape(array.shape[0], *rest)
    return [_wire(spec, array)]


def from_arrays(signature: Signature, arrays: Mapping[str, Tensor]) -> list[WireTensor]:
    """Tensors of {input: array} or {column: array of one value per row}; the names have been checked.

    Raises:
        TensorShapeError: a column that holds more than one value per row.
        TensorTypeError: elements of another type.
    """
    if arrays.keys() <= {spec.name for spec in signature.inputs}:
        return [_wire(spec, arrays[spec.name]) for spec in signature.inputs]
    rows = len(next(iter(arrays.values())))
    return [_wire(spec, _stacked(spec, arrays, rows)) for spec in signature.inputs]


def cast(spec: TensorSpec, array: Tensor) -> Tensor:
    """`array` in the data type of `spec`.

    Raises:
        TensorTypeError: it has elements of another kind, or some that the type cannot hold.
    """
    dtype = numpy_dtype(spec.datatype)
    if array.dtype == dtype:
        return array
    if array.dtype.kind not in _FROM_KINDS[dtype.kind]:
        raise _wrong_type(spec, array, "cannot be made of")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(converted, array):
        raise _wrong_type(spec, array, "cannot hold every value of this")
    return converted


def _stacked(spec: TensorSpec, arrays: Mapping[str, Tensor], rows: int) -> Tensor:
    """One (rows, columns) tensor of the columns that belong to it; columns that did not come are missing values."""
    dtype = numpy_dtype(spec.datatype)
    stacked = np.empty((rows, len(spec.columns)), dtype)
    for position, name in enumerate(spec.columns):
        array = arrays.get(name)
        if array is None:
            stacked[:, position] = "" if spec.datatype is DataType.BYTES else np.nan
            continue
        if array.ndim != 1:
            raise TensorShapeError(f"column '{name}' holds lists", hint="A cell is one value.", field=name)
        if spec.datatype is DataType.BYTES and array.dtype.kind in "iu":
            array = array.astype(str)  # a category that is written as a number
        stacked[:, position] = cast(spec, array)
    return stacked


def _wire(spec: TensorSpec, array: Tensor) -> WireTensor:
    raw = to_raw(spec.name, cast(spec, array))
    return WireTensor(spec.name, spec.datatype, raw.shape, raw.data)


def _wrong_type(spec: TensorSpec, array: Tensor, why: str) -> TensorTypeError:
    return TensorTypeError(
        f"input '{spec.name}' is {spec.datatype} and {why} {array.dtype}",
        hint=f"Send '{spec.name}' as {spec.datatype}.",
        field=f"inputs.{spec.name}",
    )
