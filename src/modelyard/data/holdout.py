"""Which rows are held out for evaluation: decided by each row's own content, for ever.

A row is held out when SHA-256(its canonical bytes) mod 1000 is below 1000 times the share. So a retrained model never
trains on a row that judged its predecessor, whatever else the data gained or in which order it comes.
"""

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

HOLDOUT_SHARE = 0.2
_SLICE_BYTES = 64 << 20


def is_held_out(row: bytes, share: float = HOLDOUT_SHARE) -> bool:
    """True if the row with these canonical bytes belongs to the held-out part."""
    return int.from_bytes(hashlib.sha256(row).digest(), "big") % 1000 < 1000 * share


def held_out_mask_images(images: NDArray[Any], *, share: float = HOLDOUT_SHARE) -> NDArray[np.bool_]:
    """Mask (n,) over images (n, h, w[, c]). Canonical bytes: the pixels as little-endian float32, row-major."""
    rows = np.ascontiguousarray(images, dtype="<f4")
    return np.fromiter((is_held_out(row.tobytes(), share) for row in rows), dtype=np.bool_, count=len(rows))


def held_out_mask_table(
    table: "pa.Table", *, share: float = HOLDOUT_SHARE, without: Collection[str] = ()
) -> NDArray[np.bool_]:
    """Mask (n,) over the rows of a table.

    Canonical bytes: columns by name, `without` left out (name the target there, so that equal features with another
    label fall on the same side); numbers and booleans as little-endian float32 (1 and 1.0 and a captured FP32 are the
    same value), then all other columns as text joined by U+001F.
    """
    names = sorted(set(table.column_names) - set(without))
    numeric = [name for name in names if _is_numeric(table.schema.field(name).type)]
    texts = [name for name in names if name not in set(numeric)]
    rows_per_slice = max(1, _SLICE_BYTES // (4 * len(numeric) + 64))
    masks = [
        _mask(table.slice(start, rows_per_slice), numeric, texts, share)
        for start in range(0, table.num_rows, rows_per_slice)
    ]
    return np.concatenate(masks) if masks else np.zeros(0, dtype=np.bool_)


def _mask(part: "pa.Table", numeric: list[str], texts: list[str], share: float) -> NDArray[np.bool_]:
    matrix = np.empty((part.num_rows, len(numeric)), dtype="<f4")
    with np.errstate(over="ignore"):
        for index, name in enumerate(numeric):
            matrix[:, index] = _as_float(part.column(name))
    matrix[np.isnan(matrix)] = np.nan  # one NaN of many bit patterns
    matrix += 0.0  # -0.0 becomes 0.0
    joined = _joined(part, texts)
    return np.fromiter(
        (is_held_out(row.tobytes() + text.encode(), share) for row, text in zip(matrix, joined, strict=True)),
        dtype=np.bool_,
        count=part.num_rows,
    )


def _is_numeric(type_: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start

    types = pa.types
    return bool(types.is_integer(type_) or types.is_floating(type_) or types.is_boolean(type_))


def _as_float(column: "pa.ChunkedArray") -> NDArray[np.float64]:
    import pyarrow as pa  # noqa: PLC0415 - see _is_numeric

    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def _joined(part: "pa.Table", texts: list[str]) -> list[str]:
    import pyarrow as pa  # noqa: PLC0415 - see _is_numeric
    import pyarrow.compute as pc  # noqa: PLC0415

    if not texts:
        return [""] * part.num_rows
    columns = [part.column(name).cast(pa.large_string()) for name in texts]
    joined: list[str] = pc.binary_join_element_wise(
        *columns, pa.scalar("\x1f", pa.large_string()), null_handling="replace", null_replacement="\0"
    ).to_pylist()
    return joined
