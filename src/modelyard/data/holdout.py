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
_CELLS_PER_SLICE = 5_000_000


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

    Canonical bytes: the cells that are not missing, by column name, each as U+001F, its name, U+001E and its value as
    text. `without` is left out (name the target there, so that equal features with another label fall on the same
    side). Numbers and booleans are written as float32, so that 1, 1.0, "1" and a captured FP32 are the same value. A
    missing cell is the same as no column: a captured row, which has only the model's columns, is the same row in a
    table of its own and at the end of the training table.
    """
    names = sorted(set(table.column_names) - set(without))
    rows_per_slice = max(1, _CELLS_PER_SLICE // max(1, len(names)))
    rows = (
        row
        for start in range(0, table.num_rows, rows_per_slice)
        for row in _canonical(table.slice(start, rows_per_slice), names)
    )
    return np.fromiter((is_held_out(row.encode(), share) for row in rows), dtype=np.bool_, count=table.num_rows)


def _canonical(part: "pa.Table", names: list[str]) -> list[str]:
    import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start
    import pyarrow.compute as pc  # noqa: PLC0415

    cells = [
        pc.binary_join_element_wise(_text(name), _as_text(part.column(name).combine_chunks()), _text("\x1e"))
        for name in names
    ]
    # Arrow drops a row in which everything is skipped; the empty first cell keeps the rows without any value.
    first = pa.array([""] * part.num_rows, pa.large_string())
    joined: list[str] = pc.binary_join_element_wise(first, *cells, _text("\x1f"), null_handling="skip").to_pylist()
    return joined


def _as_text(values: "pa.Array") -> "pa.Array":
    import pyarrow as pa  # noqa: PLC0415 - see _canonical
    import pyarrow.compute as pc  # noqa: PLC0415

    types = pa.types
    if types.is_integer(values.type) or types.is_floating(values.type) or types.is_boolean(values.type):
        numbers = values.cast(pa.float64(), safe=False).cast(pa.float32(), safe=False)
        known = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float32()), numbers)
        return pc.add(known, pa.scalar(0.0, pa.float32())).cast(pa.large_string())  # adding 0 makes 0 of -0
    return values.cast(pa.large_string())


def _text(value: str) -> "pa.Scalar":
    import pyarrow as pa  # noqa: PLC0415 - see _canonical

    return pa.scalar(value, pa.large_string())
