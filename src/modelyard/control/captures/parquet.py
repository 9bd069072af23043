"""The Parquet form of captures: one row per inference, the same columns for every model.

Tensors are nested rows (name, datatype, shape, little-endian bytes as in the Open Inference Protocol's binary form), so
that one schema fits every signature and reading back loses nothing. pyarrow is imported inside the functions: it takes
0.4 s, and the control process must start without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.control.captures.batches import BatchFilter, moment, nanoseconds
from modelyard.control.captures.gathering import PLAIN
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.tensors import from_raw
from modelyard.types.monitoring import Inference
from modelyard.types.signatures import DataType
from modelyard.types.tensors import RawTensor


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
    model_us: int
    principal: str
    masked: tuple[str, ...]
    inputs: Tensors
    outputs: Tensors
    traceparent: str = ""

    @property
    def trace_id(self) -> str:
        """Of the trace that the caller was in; empty if none was named."""
        return self.traceparent[3:35]

    @property
    def parent_span_id(self) -> str:
        """Of the caller's span, likewise."""
        return self.traceparent[36:52]

    @property
    def version(self) -> str:
        """The model version that answered, "digits:2"."""
        return f"{self.model}:{self.number}"


def merged(tables: Sequence[Any]) -> Any:
    """One table with the inferences of several, in the order they happened."""
    import pyarrow as pa  # noqa: PLC0415 - see the module's docstring

    return pa.concat_tables(tables).sort_by([("at_ns", "ascending"), ("id", "ascending")])


def write_table(table: Any, path: Path) -> None:
    """Write a Parquet file."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - see the module's docstring

    pq.write_table(table, path, compression="zstd", use_dictionary=["variant", "model", "principal"])


def read_table(content: bytes, *, with_inputs: bool = True) -> Any:
    """The table of a Parquet object; columns that its release did not know yet are filled in."""
    import pyarrow as pa  # noqa: PLC0415 - see the module's docstring
    import pyarrow.parquet as pq  # noqa: PLC0415

    file = pq.ParquetFile(pa.BufferReader(content))
    wanted = (*PLAIN, "masked", *(["inputs"] if with_inputs else []), "outputs")
    table = file.read(columns=[name for name in wanted if name in file.schema_arrow.names])
    later = {"model_us": (0, pa.int64()), "masked": ((), pa.list_(pa.string())), "traceparent": ("", pa.string())}
    for name, (value, kind) in later.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.array([value] * len(table), kind))
    return table.select(wanted)


def times_in(content: bytes, ids: Sequence[str]) -> dict[str, datetime]:
    """When these inferences happened, for those that are in this object."""
    import pyarrow as pa  # noqa: PLC0415 - see the module's docstring
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pq.ParquetFile(pa.BufferReader(content)).read(columns=["id", "at_ns"])
    table = table.filter(pc.is_in(table["id"], pa.array(ids, pa.string())))
    return dict(zip(table["id"].to_pylist(), map(moment, table["at_ns"].to_pylist()), strict=True))


def matching(table: Any, wanted: BatchFilter) -> Any:
    """True for each row that is wanted (project and endpoint are those of the whole table)."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see the module's docstring

    conditions = []
    if wanted.since is not None:
        conditions.append(pc.greater_equal(table["at_ns"], nanoseconds(wanted.since)))
    if wanted.until is not None:
        conditions.append(pc.less(table["at_ns"], nanoseconds(wanted.until) + 1000))
    if wanted.version is not None:
        model, _, number = wanted.version.rpartition(":")
        conditions.append(pc.equal(table["model"], model))
        conditions.append(pc.equal(pc.cast(table["number"], "string"), number))
    exact = {"variant": wanted.variant, "principal": wanted.principal}
    conditions += [pc.equal(table[name], value) for name, value in exact.items() if value is not None]
    if wanted.ids is not None:
        conditions.append(pc.greater_equal(table["id"], wanted.ids[0]))
        conditions.append(pc.less_equal(table["id"], wanted.ids[1]))
    return reduce(pc.and_, conditions, pc.is_valid(table["id"]))


def before(table: Any, position: tuple[datetime, str]) -> Any:
    """True for each row that comes before (time, id) in that order."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see the module's docstring

    at_ns = nanoseconds(position[0])
    is_same = pc.and_(pc.greater_equal(table["at_ns"], at_ns), pc.less(table["at_ns"], at_ns + 1000))
    return pc.or_(pc.less(table["at_ns"], at_ns), pc.and_(is_same, pc.less(table["id"], position[1])))


def rows_of(table: Any) -> list[Captured]:
    """The inferences of a table, in its order."""
    return [_captured(row) for row in table.to_pylist()]


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
        batch_ms=max(0, item.latency_us - item.queue_us - item.model_us) / 1000,
        model_ms=item.model_us / 1000,
        principal=item.principal,
        masked=item.masked,
        trace_id=item.trace_id,
        parent_span_id=item.parent_span_id,
        inputs={name: _nested_list(tensor) for name, tensor in item.inputs.items()},
        outputs={name: _nested_list(tensor) for name, tensor in item.outputs.items()},
    )


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
        model_us=row["model_us"],
        principal=row["principal"],
        masked=tuple(row["masked"]),
        inputs=_tensors(row.get("inputs", ())),
        outputs=_tensors(row["outputs"]),
        traceparent=row["traceparent"],
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
