"""Between NumPy arrays and the forms that tensors take outside memory. Imports NumPy and nothing heavier.

BYTES tensors are object arrays of `str` in memory; NaN is null in JSON, and a null is NaN (FP*) or "" (BYTES).
"""

import struct
from itertools import chain
from typing import Any

import numpy as np

from modelyard.errors import InvalidInputError
from modelyard.runtimes.base import Tensor, numpy_dtype
from modelyard.types.signatures import DataType
from modelyard.types.tensors import JsonTensor, RawTensor

_DATATYPES = {numpy_dtype(datatype): datatype for datatype in DataType}
_WIRE_DTYPES = {datatype: numpy_dtype(datatype).newbyteorder("<") for datatype in DataType}
_LENGTH = struct.Struct("<I")


class TensorInvalidError(InvalidInputError):
    """A tensor whose data does not fit its own datatype or shape."""

    code = "tensor_invalid"


def datatype_of(array: Tensor) -> DataType:
    """The signature data type of an array; every kind of string array is BYTES.

    Raises:
        TensorInvalidError: a dtype that no signature can name (complex, datetime, ...).
    """
    found = _DATATYPES.get(array.dtype) or _DATATYPES.get(array.dtype.newbyteorder("="))
    if found is not None:
        return found
    if array.dtype.kind in "US":
        return DataType.BYTES
    raise TensorInvalidError(
        f"an array of dtype {array.dtype} is no tensor", hint="Use numbers, booleans or strings; see types/signatures."
    )


def to_json(name: str, array: Tensor) -> JsonTensor:
    """`array` as a flat list; NaN becomes null."""
    datatype = datatype_of(array)
    flat = array.reshape(-1)
    data: list[Any] = [_text(item) for item in flat] if datatype is DataType.BYTES else flat.tolist()
    if array.dtype.kind == "f" and not np.isfinite(flat).all():
        data = [value if value == value else None for value in data]  # noqa: PLR0124 - NaN differs from itself
    return JsonTensor(name=name, datatype=datatype, shape=array.shape, data=data)


def from_json(tensor: JsonTensor) -> Tensor:
    """The array of a JSON tensor, in the tensor's own datatype and shape.

    Raises:
        TensorInvalidError: values of another type, out of the type's range, or a count that is not the shape's.
    """
    _check_count(tensor.name, tensor.shape, len(tensor.data))
    if tensor.datatype is DataType.BYTES:
        return _strings(tensor).reshape(tensor.shape)
    return _numbers(tensor).reshape(tensor.shape)


def to_raw(name: str, array: Tensor) -> RawTensor:
    """`array` as row-major little-endian bytes."""
    datatype, data = raw_elements(array)
    return RawTensor(name=name, datatype=datatype, shape=array.shape, data=data)


def raw_elements(array: Tensor) -> tuple[DataType, bytes]:
    """What a RawTensor holds of `array`: the type and the bytes of its elements."""
    datatype = datatype_of(array)
    if datatype is DataType.BYTES:
        encoded = [_text(item).encode() for item in array.reshape(-1)]
        return datatype, b"".join(chain.from_iterable((_LENGTH.pack(len(item)), item) for item in encoded))
    return datatype, array.astype(_WIRE_DTYPES[datatype], copy=False).tobytes()


def from_raw(tensor: RawTensor) -> Tensor:
    """The array of a raw tensor. Numbers are a read-only view on the tensor's bytes, without a copy.

    Raises:
        TensorInvalidError: the bytes are too few, too many, or no UTF-8.
    """
    if tensor.datatype is DataType.BYTES:
        return _unpack_strings(tensor).reshape(tensor.shape)
    dtype, size = _WIRE_DTYPES[tensor.datatype], len(tensor.data)
    if size % dtype.itemsize:
        raise _invalid(tensor.name, f"{size} bytes are no whole number of {tensor.datatype} elements")
    _check_count(tensor.name, tensor.shape, size // dtype.itemsize)
    return np.frombuffer(tensor.data, dtype=dtype).reshape(tensor.shape)


def _numbers(tensor: JsonTensor) -> Tensor:
    dtype = numpy_dtype(tensor.datatype)
    try:
        # Without a dtype NumPy keeps what was sent, so that "1.5" is refused and not quietly parsed.
        sent = np.array(tensor.data) if tensor.data else np.empty(0, dtype)
        if sent.ndim != 1:
            raise _invalid(tensor.name, "its data are nested lists, one flat list is expected")
        if sent.dtype.kind == "O" and dtype.kind == "f" and not any(isinstance(item, str) for item in tensor.data):
            sent = sent.astype(np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise _invalid(tensor.name, f"its data are no flat list of {tensor.datatype}") from error
    allowed = {"f": "fiub", "b": "b"}.get(dtype.kind, "iu")
    if sent.dtype.kind not in allowed and not (dtype.kind in "iu" and _is_whole(sent)):
        raise _invalid(tensor.name, f"its data are not all {tensor.datatype}")
    with np.errstate(over="ignore", invalid="ignore"):
        array = sent.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(array, sent):
        raise _invalid(tensor.name, f"a value is outside the range of {tensor.datatype}")
    return array


def _is_whole(sent: Tensor) -> bool:
    return sent.dtype.kind == "f" and bool(np.array_equal(sent, np.floor(sent)))


def _strings(tensor: JsonTensor) -> Tensor:
    array = np.empty(len(tensor.data), dtype=object)
    for index, item in enumerate(tensor.data):
        if item is not None and not isinstance(item, str):
            raise _invalid(tensor.name, f"element {index} is {item!r}, not a string")
        array[index] = item or ""
    return array


def _unpack_strings(tensor: RawTensor) -> Tensor:
    items: list[str] = []
    position, data = 0, tensor.data
    try:
        while position < len(data):
            (length,) = _LENGTH.unpack_from(data, position)
            position += _LENGTH.size
            if position + length > len(data):
                raise _invalid(tensor.name, f"string {len(items)} says {length} bytes, fewer are there")
            items.append(str(data[position : position + length], "utf-8"))
            position += length
    except struct.error:
        raise _invalid(tensor.name, "its bytes end inside a length") from None
    except UnicodeDecodeError as error:
        raise _invalid(tensor.name, f"string {len(items)} is no UTF-8") from error
    _check_count(tensor.name, tensor.shape, len(items))
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _check_count(name: str, shape: tuple[int, ...], count: int) -> None:
    expected = 1
    for size in shape:
        if size < 0:
            raise _invalid(name, f"its shape {list(shape)} has a negative size")
        expected *= size
    if expected != count:
        raise _invalid(name, f"shape {list(shape)} means {expected} elements, {count} came")


def _text(item: object) -> str:
    if isinstance(item, str):
        return item
    return item.decode() if isinstance(item, bytes) else "" if item is None else str(item)


def _invalid(name: str, reason: str) -> TensorInvalidError:
    return TensorInvalidError(
        f"tensor '{name}': {reason}",
        hint="Send row-major data of the stated datatype and shape.",
        field=f"inputs.{name}",
    )
