"""From output tensors to what JSON holds."""

from typing import Any

import numpy as np
import orjson

from modelyard.dataplane.tensors import WireTensor, strings_of
from modelyard.runtimes.base import numpy_dtype
from modelyard.types.signatures import DataType

NUMPY_JSON = orjson.OPT_SERIALIZE_NUMPY

_SMALL_BYTES = 512
_DTYPES = {datatype: numpy_dtype(datatype) for datatype in DataType}


def flat_values(tensor: WireTensor) -> Any:
    """The elements, row-major, as something that `orjson.dumps(..., option=NUMPY_JSON)` writes: a list or an array.

    Floats are then written as short as their type allows (0.9, not 0.8999999761581421), NaN as null.
    """
    if tensor.datatype is DataType.BYTES:
        return strings_of(tensor)
    data = tensor.data
    if len(data) <= _SMALL_BYTES:
        return np.frombuffer(bytes(data), _DTYPES[tensor.datatype])  # a copy is aligned, and cheaper than to ask
    values = np.frombuffer(data, _DTYPES[tensor.datatype])
    return values if values.flags.aligned else values.copy()


def nested_values(tensor: WireTensor) -> list[Any]:
    """The elements as Python values in nested lists, one entry per row, as JSON would give them back."""
    flat = orjson.loads(orjson.dumps(flat_values(tensor), option=NUMPY_JSON))
    values: list[Any] = flat
    for size in reversed(tensor.shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)] if size else values
    return values
