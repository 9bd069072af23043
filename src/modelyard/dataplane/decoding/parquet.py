"""Parquet files to one tensor per column."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelyard.dataplane.decoding.messages import Column
from modelyard.dataplane.errors import BodyInvalidError
from modelyard.errors import TooLargeError
from modelyard.runtimes.tensors import to_raw

_BATCH_ROWS = 4096
_INDEX_PREFIX = "__index_level_"  # what pandas adds for a frame's index


def columns_of(body: bytes, limit_bytes: int) -> tuple[Column, ...]:
    """Every column as a tensor of one row per row: numbers (n,), text as BYTES (n,), lists of equal length (n, k).

    A missing number is NaN, a missing text the empty string.

    Raises:
        BodyInvalidError: no Parquet, damaged, or a column of a type that no tensor has.
        TooLargeError: it unpacks to more than `limit_bytes`.
        MemoryError: it takes more than there is on the way.
    """
    try:
        table = _read(body, limit_bytes)
        return tuple(
            _column(name, table.column(name)) for name in table.column_names if not name.startswith(_INDEX_PREFIX)
        )
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyInvalidError(f"the body is no Parquet that can be read: {error}", hint="Write it again.") from error


def _read(body: bytes, limit_bytes: int) -> pa.Table:
    """The whole table; read in pieces, because the sizes that a file states about itself may be wrong."""
    file = pq.ParquetFile(pa.BufferReader(body))
    if len(set(file.schema_arrow.names)) != len(file.schema_arrow.names):
        raise BodyInvalidError("two columns have the same name", hint="Give every column a name of its own.")
    batches, size = [], 0
    for batch in file.iter_batches(_BATCH_ROWS):
        size += batch.nbytes
        if size > limit_bytes:
            raise TooLargeError(f"the table unpacks to more than {limit_bytes} bytes", hint="Send fewer rows.")
        batches.append(batch)
    if not batches:
        raise BodyInvalidError("the table holds no row", hint="Send at least one.")
    return pa.Table.from_batches(batches)


def _column(name: str, chunked: pa.ChunkedArray) -> Column:
    raw = to_raw(name, _array(name, chunked.combine_chunks()))
    return Column(raw.name, raw.datatype, raw.shape, raw.data)


def _array(name: str, values: Any) -> Any:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _array(name, values.dictionary_decode())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.fill_null(values, "").to_numpy(zero_copy_only=False).astype(object)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        array = values.to_numpy(zero_copy_only=False)
        return array.astype(np.float64) if array.dtype == object else array  # booleans with missing ones
    if pa.types.is_decimal(kind):
        return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _lists(name, values)
    raise BodyInvalidError(
        f"column '{name[:80]}' has the type {kind}, which no tensor has",
        hint="Store numbers, text, or lists of numbers.",
        field=name[:80],
    )


def _lists(name: str, values: Any) -> Any:
    lengths = pc.unique(pc.list_value_length(values)).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise BodyInvalidError(
            f"the lists of column '{name[:80]}' are not all equally long",
            hint="Give every row the same number of values.",
            field=name[:80],
        )
    inner = _array(name, values.flatten())
    return inner.reshape(len(values), lengths[0], *inner.shape[1:])
