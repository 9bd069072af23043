"""The Parquet form of captures: one row per inference, the same columns for every model.

Tensors are nested rows (name, datatype, shape, little-endian bytes as in the Open Inference Protocol's binary form), so
that one schema fits every signature and reading back loses nothing. pyarrow is imported inside the functions: it takes
0.4 s, and the control process must start without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.control.captures.batches import BatchFilter
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.tensors import from_raw
from modelyard.types.monitoring import Inference
from modelyard.types.signatures import DataType
from modelyard.types.tensors import CaptureRecord, RawTensor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = ("id", "at_ns", "variant", "model", "number", "rows", "latency_us", "queue_us", "principal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One inference read back; first dimension of every tensor: `rows`."""

    id: str
    at: datetime
    variant: str
    model: str
    number: int
    rows: int
    latency_us: int
    queue_us: int
    inputs: Tensors
    outputs: Tensors

    @property
    def version(self) -> str:
        """The model version that answered, "digits:2"."""
        return f"{self.model}:{self.number}"


def moment(at_ns: int) -> datetime:
    """Nanoseconds since 1970 as UTC; sub-microseconds are cut off, as everywhere in control."""
    return _EPOCH + timedelta(microseconds=at_ns // 1000)


def _nanoseconds(at: datetime) -> int:
    """The first nanosecond that `moment` makes `at` of."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


def write_records(records: Sequence[CaptureRecord], path: Path) -> None:
    """Write a Parquet file; equal records give equal bytes."""
    import pyarrow as pa  # noqa: PLC0415 - see the module's docstring
    import pyarrow.parquet as pq  # noqa: PLC0415

    tensor = pa.struct(
        [("name", pa.string()), ("datatype", pa.string()), ("shape", pa.list_(pa.int64())), ("data", pa.binary())]
    )
    integers = {"at_ns": pa.int64(), "number": pa.int32(), "rows": pa.int32()}
    kinds = {name: integers.get(name, pa.int64() if name.endswith("_us") else pa.string()) for name in _PLAIN}
    arrays = {name: pa.array([getattr(record, name) for record in records], kind) for name, kind in kinds.items()}
    for side in ("inputs", "outputs"):
        values = [[_nested(raw) for raw in getattr(record, side)] for record in records]
        arrays[side] = pa.array(values, pa.list_(tensor))
    pq.write_table(pa.table(arrays), path, compression="zstd", use_dictionary=["variant", "model", "principal"])


def read_records(content: bytes, *, with_inputs: bool = True, version: str | None = None) -> list[Captured]:
    """Read a Parquet object back, in the order it was written; only those of one version ("digits:2") if given."""
    import pyarrow as pa  # noqa: PLC0415 - see the module's docstring
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = [*_PLAIN, "outputs", *(["inputs"] if with_inputs else [])]
    table = pq.read_table(pa.BufferReader(content), columns=columns)
    return [
        _captured(row) for row in table.to_pylist() if version is None or f"{row['model']}:{row['number']}" == version
    ]


def read_table(content: bytes) -> Any:
    """The table of a Parquet object, one row per inference."""
    import pyarrow as pa  # noqa: PLC0415 - see the module's docstring
    import pyarrow.parquet as pq  # noqa: PLC0415

    return pq.read_table(pa.BufferReader(content), columns=[*_PLAIN, "inputs", "outputs"])


def matching(table: Any, wanted: BatchFilter) -> Any:
    """True for each row that is wanted (project and endpoint are those of the whole table)."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see the module's docstring

    conditions = [pc.is_valid(table["id"])]
    if wanted.since is not None:
        conditions.append(pc.greater_equal(table["at_ns"], _nanoseconds(wanted.since)))
    if wanted.until is not None:
        conditions.append(pc.less(table["at_ns"], _nanoseconds(wanted.until) + 1000))
    if wanted.version is not None:
        ref = pc.binary_join_element_wise(table["model"], pc.cast(table["number"], "string"), ":")
        conditions.append(pc.equal(ref, wanted.version))
    if wanted.variant is not None:
        conditions.append(pc.equal(table["variant"], wanted.variant))
    if wanted.ids is not None:
        conditions.append(pc.greater_equal(table["id"], wanted.ids[0]))
        conditions.append(pc.less_equal(table["id"], wanted.ids[1]))
    return reduce(pc.and_, conditions)


def concatenate(captured: Iterable[Captured]) -> Iterator[tuple[list[Captured], Tensors, Tensors]]:
    """Put inferences of equal tensor names and row shapes together: (they, inputs, outputs) of each group."""
    groups: dict[object, list[Captured]] = {}
    for item in captured:
        groups.setdefault((_layout(item.inputs), _layout(item.outputs)), []).append(item)
    for group in groups.values():
        inputs = {name: np.concatenate([item.inputs[name] for item in group]) for name in group[0].inputs}
        outputs = {name: np.concatenate([item.outputs[name] for item in group]) for name in group[0].outputs}
        yield group, inputs, outputs


def as_inference(item: Captured, endpoint: str) -> Inference:
    """For the API: tensors as nested lists, NaN as null."""
    return Inference(
        id=item.id,
        at=item.at,
        endpoint=endpoint,
        variant=item.variant,
        model=item.model,
        number=item.number,
        rows=item.rows,
        latency_ms=item.latency_us / 1000,
        queue_ms=item.queue_us / 1000,
        inputs={name: _nested_list(tensor) for name, tensor in item.inputs.items()},
        outputs={name: _nested_list(tensor) for name, tensor in item.outputs.items()},
    )


def _nested(raw: RawTensor) -> dict[str, Any]:
    return {"name": raw.name, "datatype": str(raw.datatype), "shape": list(raw.shape), "data": raw.data}


def _captured(row: dict[str, Any]) -> Captured:
    return Captured(
        id=row["id"],
        at=moment(row["at_ns"]),
        variant=row["variant"],
        model=row["model"],
        number=row["number"],
        rows=row["rows"],
        latency_us=row["latency_us"],
        queue_us=row["queue_us"],
        inputs=_tensors(row.get("inputs", ())),
        outputs=_tensors(row["outputs"]),
    )


def _tensors(rows: Iterable[dict[str, Any]]) -> Tensors:
    return {
        row["name"]: from_raw(
            RawTensor(name=row["name"], datatype=DataType(row["datatype"]), shape=tuple(row["shape"]), data=row["data"])
        )
        for row in rows
    }


def _layout(tensors: Tensors) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    return tuple((name, tensor.shape[1:], tensor.dtype.str) for name, tensor in sorted(tensors.items()))


def _nested_list(tensor: Any) -> list[object]:
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        tensor = np.where(np.isfinite(tensor), tensor, None)
    nested: list[object] = tensor.tolist()
    return nested
