"""Captured requests as a dataset: a Parquet table with one request a row, whatever the model's inputs look like.

The tensors of a request are one cell: base64 of a MessagePack list of RawTensor, so that nothing is lost on the way and
the file is a table like any other to the registry.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from modelyard.data.errors import DatasetInvalidError
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.tensors import from_raw, to_raw
from modelyard.types.tensors import RawTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the model received it; first dimension of every tensor: `rows`."""

    id: str
    at: datetime
    rows: int
    inputs: Tensors


def write_requests(requests: Iterable[Request], path: Path) -> None:
    """Write a Parquet file; equal requests give equal bytes."""
    import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start
    import pyarrow.parquet as pq  # noqa: PLC0415

    found = list(requests)
    columns = {
        "id": pa.array([request.id for request in found], pa.string()),
        "at": pa.array([request.at for request in found], pa.timestamp("us", tz="UTC")),
        "rows": pa.array([request.rows for request in found], pa.int64()),
        "inputs": pa.array([_packed(request.inputs) for request in found], pa.string()),
    }
    pq.write_table(pa.table(columns), path, compression="zstd", use_dictionary=False)


def read_requests(path: Path) -> list[Request]:
    """Read them back in the order in which they were written.

    Raises:
        DatasetInvalidError: the file holds something else.
    """
    import pyarrow as pa  # noqa: PLC0415 - see write_requests
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        rows = pq.read_table(path, columns=["id", "at", "rows", "inputs"]).to_pylist()
        return [Request(**row | {"inputs": _unpacked(row["inputs"])}) for row in rows]
    except (pa.ArrowException, KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise DatasetInvalidError(
            f"the dataset holds no captured requests: {str(error).splitlines()[0][:200]}",
            hint="A replay reads what a retraining run has collected.",
        ) from error


def _packed(inputs: Tensors) -> str:
    tensors = [to_raw(name, array) for name, array in sorted(inputs.items())]
    return base64.b64encode(msgspec.msgpack.encode(tensors)).decode()


def _unpacked(cell: str) -> Tensors:
    tensors = msgspec.msgpack.decode(base64.b64decode(cell), type=list[RawTensor])
    return {tensor.name: from_raw(tensor) for tensor in tensors}
