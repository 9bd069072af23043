"""Tensors out of a table of captures without a Python object per inference: a tenth of the time.

The columns are those of `parquet`. pyarrow is imported inside the functions, as there.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.runtimes.base import Tensor, Tensors
from modelyard.runtimes.tensors import from_raw
from modelyard.types.signatures import DataType
from modelyard.types.tensors import RawTensor


def concatenated(table: Any) -> Iterator[tuple[NDArray[np.intp], Tensors, Tensors]]:
    """Inferences of equal tensor names, types and row shapes put together.

    Gives (places of the inferences in the table, inputs, outputs); the tensors hold the rows of these inferences one
    after another. Inferences whose tensors are no batch of their rows are left out.
    """
    import pyarrow.compute as pc  # noqa: PLC0415 - see the module's docstring

    sides = [table[side].combine_chunks() for side in ("inputs", "outputs")]
    keys = pc.binary_join_element_wise(*(_layouts(side) for side in sides), "\n").dictionary_encode()
    codes = keys.indices.to_numpy()
    rows = table["rows"].to_numpy()
    for code in range(len(keys.dictionary)):
        places = np.flatnonzero(codes == code)
        count = int(rows[places].sum())
        inputs, outputs = (_tensors(side.take(places), len(places), count) for side in sides)
        if inputs is not None and outputs is not None:
            yield places, inputs, outputs


def _layouts(column: Any) -> Any:
    """The layout of each inference's tensors as text."""
    import pyarrow as pa  # noqa: PLC0415 - see the module's docstring
    import pyarrow.compute as pc  # noqa: PLC0415

    name, datatype, shape, _ = column.flatten().flatten()
    trailing = pc.binary_join(pc.list_slice(shape, 1).cast(pa.list_(pa.string())), ",")
    rank = pc.cast(pc.list_value_length(shape), pa.string())
    texts = pc.binary_join_element_wise(name, datatype, rank, trailing, " ")
    offsets = np.concatenate([[0], np.cumsum(pc.list_value_length(column).to_numpy())]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), texts), ";")


def _tensors(column: Any, inferences: int, rows: int) -> Tensors | None:
    """The tensors of inferences of one layout, joined; None if one of them is no batch of `rows` rows."""
    name, datatype, shape, data = column.flatten().flatten()
    count = len(name) // inferences
    found: Tensors = {}
    for place in range(count):
        chosen = np.arange(place, len(name), count)
        tensor = _joined(name[place].as_py(), datatype[place].as_py(), shape.take(chosen), data.take(chosen), rows)
        if tensor is None:
            return None
        found[name[place].as_py()] = tensor
    return found


def _joined(name: str, datatype: str, shapes: Any, data: Any, rows: int) -> Tensor | None:
    first = shapes[0].as_py()
    if not first or int(shapes.flatten().to_numpy()[:: len(first)].sum()) != rows:
        return None
    _, offsets, content = data.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[data.offset : data.offset + len(data) + 1]
    joined = content.slice(int(ends[0]), int(ends[-1] - ends[0])).to_pybytes() if content is not None else b""
    # Row-major rows one after another are the tensor of all rows, for texts with their lengths too.
    shape = (rows, *first[1:])
    return from_raw(RawTensor(name=name, datatype=DataType(datatype), shape=shape, data=joined))
