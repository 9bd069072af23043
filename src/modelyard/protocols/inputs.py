"""From what a request holds to checked tensors in the signature's order. Shared by all dialects.

Each step has a fast way for plain numbers and a careful one that also finds the words for what is wrong: the careful
one is `runtimes.tensors` and `runtimes.validate`, so every surface says the same about the same mistake.
"""

import math
import struct
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from modelyard.dataplane.tensors import ITEM_BYTES, WireTensor
from modelyard.runtimes.base import numpy_dtype
from modelyard.runtimes.tensors import from_json, to_raw
from modelyard.runtimes.validate import TensorShapeError, TensorTypeError, TensorUnknownError, check_inputs
from modelyard.types.signatures import DataType, Signature, TensorSpec
from modelyard.types.tensors import JsonTensor

_ARRAY_CODES = {
    DataType.FP32: "f",
    DataType.FP64: "d",
    DataType.INT8: "b",
    DataType.INT16: "h",
    DataType.INT32: "i",
    DataType.INT64: "q",
    DataType.UINT8: "B",
    DataType.UINT16: "H",
    DataType.UINT32: "I",
    DataType.UINT64: "Q",
}
_SMALL_BYTES = 512
_MAX_PACKED = 1 << 14


def datatype_named(name: str, tensor: str) -> DataType:
    """The data type that a request names for an input.

    Raises:
        TensorTypeError: there is none of that name.
    """
    try:
        return _DATATYPES[name]
    except KeyError:
        raise TensorTypeError(
            f"'{name[:40]}' is no data type",
            hint=f"Use one of {', '.join(_DATATYPES)}.",
            field=f"inputs.{tensor[:80]}.datatype",
        ) from None


def encode_list(name: str, datatype: DataType, shape: tuple[int, ...], data: list[Any]) -> WireTensor:
    """A tensor from a JSON list, flat or nested; null is NaN or the empty string.

    Raises:
        TensorInvalidError: values of another type, or not as many as the shape says.
        TensorShapeError: nested lists of another shape.
    """
    code = _ARRAY_CODES.get(datatype)
    if code is not None and len(data) == prod(shape):
        try:
            return WireTensor(name, datatype, shape, array(code, data).tobytes())
        except (TypeError, OverflowError):
            pass  # null, 1.0 for an integer, a string, nested lists: the careful way knows what to do
    if data and isinstance(data[0], list):
        nested, data = flatten(data, f"inputs.{name}")
        if nested != shape:
            raise TensorShapeError(
                f"input '{name}' says shape {list(shape)}, its lists are nested as {list(nested)}",
                hint="Let the shape say what the data are.",
                field=f"inputs.{name}",
            )
    raw = to_raw(name, from_json(JsonTensor(name=name, datatype=datatype, shape=shape, data=data)))
    return WireTensor(name, raw.datatype, raw.shape, raw.data)


def plain_list(spec: TensorSpec, name: str, datatype: str, shape: tuple[int, ...], data: Any) -> WireTensor | None:
    """The input `spec` from a flat JSON list that is certainly right: checked and encoded in one go.

    None if that takes a closer look: `encode_list` and `checked` find the words for what may be wrong. JSON has neither
    NaN nor infinity and packing refuses what would become one, so nothing is left to check: 1 us instead of 6.
    """
    if name != spec.name or datatype != spec.datatype or type(data) is not list or len(shape) != len(spec.shape):
        return None  # before the shape is kept: one that a client makes up may have a million dimensions
    form = _plain_form(spec.shape, shape, spec.datatype)
    if form is None or len(data) != form[0]:
        return None
    try:
        return WireTensor(name, spec.datatype, shape, form[1](*data))
    except (struct.error, TypeError, OverflowError):
        return None


@lru_cache(maxsize=1024)
def _plain_form(
    wanted: tuple[int, ...], shape: tuple[int, ...], datatype: DataType
) -> tuple[int, Callable[..., bytes]] | None:
    """How many numbers a tensor of this shape has, and what packs them; None if it takes a closer look."""
    is_right = wanted and shape[1:] == wanted[1:] and shape and shape[0] > 0 and wanted[0] in (-1, shape[0])
    count = prod(shape)
    if not is_right or min(shape) < 0 or count > _MAX_PACKED or datatype not in _ARRAY_CODES:
        return None
    return count, struct.Struct(f"<{count}{_ARRAY_CODES[datatype]}").pack


def flatten(data: list[Any], field: str) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and elements of nested lists, row-major.

    Raises:
        TensorShapeError: lists of unequal lengths, or lists beside values.
    """
    shape, level = [len(data)], data
    while level and isinstance(level[0], list):
        size = len(level[0])
        if not all(isinstance(item, list) and len(item) == size for item in level):
            raise TensorShapeError(
                "the lists are not all equally long" if len(shape) == 1 else "the inner lists are not all equally long",
                hint="Give every row the same number of values; null stands for a missing one.",
                field=field,
            )
        shape.append(size)
        level = list(chain.from_iterable(level))
    return tuple(shape), level


def checked(signature: Signature, given: Sequence[WireTensor]) -> tuple[tuple[WireTensor, ...], int]:
    """`given` in the signature's order, and the number of rows.

    Raises:
        InvalidInputError: one of the errors of `runtimes.validate.check_inputs` or TensorInvalidError.
    """
    specs = signature.inputs
    if len(given) == 1 == len(specs) and _is_plain(specs[0], given[0]):
        return (given[0],), given[0].shape[0] if specs[0].shape[0] == -1 else 1
    if len(given) != len(specs) or not all(map(_is_plain, specs, given)) or len({t.shape[0] for t in given}) > 1:
        arrays = {tensor.name: tensor.to_array() for tensor in given}
        if len(arrays) != len(given):
            raise TensorUnknownError("two inputs have the same name", hint="Send each input once.", field="inputs")
        check_inputs(signature, arrays)
        by_name = {tensor.name: tensor for tensor in given}
        given = [by_name[spec.name] for spec in specs]
    rows = next((t.shape[0] for spec, t in zip(specs, given, strict=True) if spec.shape and spec.shape[0] == -1), 1)
    return tuple(given), rows


def _is_plain(spec: TensorSpec, tensor: WireTensor) -> bool:
    """True if the tensor is certainly right; False if that takes a closer look."""
    shape, wanted, datatype = tensor.shape, spec.shape, tensor.datatype
    if tensor.name != spec.name or datatype is not spec.datatype or len(shape) != len(wanted) or not shape:
        return False
    size = ITEM_BYTES.get(datatype, 0)  # 0 for strings, whose bytes need the closer look
    for count, want in zip(shape, wanted, strict=True):
        if count <= 0 or want not in (count, -1):
            return False
        size *= count
    return 0 < size == len(tensor.data) and (datatype not in _FLOATS or _is_finite(tensor))


def _is_finite(tensor: WireTensor) -> bool:
    """True if there is neither NaN nor infinity in it."""
    if tensor.datatype is DataType.FP32 and len(tensor.data) <= _SMALL_BYTES:
        # A sum of so few finite float32 cannot overflow a double; 0.8 us where NumPy takes 3.
        return math.isfinite(sum(memoryview(tensor.data).cast("f")))
    return bool(np.isfinite(np.frombuffer(tensor.data, numpy_dtype(tensor.datatype))).all())


_DATATYPES = {datatype.value: datatype for datatype in DataType}
_FLOATS = (DataType.FP16, DataType.FP32, DataType.FP64)
