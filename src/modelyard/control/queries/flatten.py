"""Captures as people ask about them: a flat table with one row per row of a request and a column per feature.

Columns: those of `FIXED`; the model's inputs under their column names (the tensor's name where it has none); its
outputs as `answer_<name>`, classes as `answer_<class>`; `truth` as text. Runs in the query's own process.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.control.captures.parquet import Captured, concatenate, rows_of
from modelyard.runtimes.base import Tensor
from modelyard.types.signatures import Scalar, Signature, TensorSpec

FIXED = (
    "inference_id",
    "row_index",
    "request_rows",
    "happened_at",
    "variant",
    "version",
    "principal",
    "trace_id",
    "parent_span_id",
    "latency_ms",
    "queue_ms",
    "batch_ms",
    "model_ms",
)
_CHUNK = 20_000

Truths = Mapping[str, list[Scalar | None]]


def flatten(table: Any, signatures: Mapping[str, Signature], truths: Truths) -> pa.Table:
    """The flat table of a table of captures; columns that only some of its versions have are null elsewhere.

    Args:
        table: as control.captures.gathering makes it.
        signatures: by version ("digits:2"); where one is missing, tensors are lists under their own names.
        truths: inference id -> truth of each row.
    """
    parts: list[pa.Table] = []
    for start in range(0, len(table), _CHUNK):
        by_version: dict[str, list[Captured]] = {}
        for item in rows_of(table.slice(start, _CHUNK)):
            by_version.setdefault(item.version, []).append(item)
        for version, items in by_version.items():
            for group, inputs, outputs in concatenate(items):
                columns = _fixed(group)
                signature = signatures.get(version)
                _add(columns, inputs, signature.inputs if signature else (), "input_", is_always=False)
                _add(columns, outputs, signature.outputs if signature else (), "answer_", is_always=True)
                columns["truth"] = _truth(group, truths)
                parts.append(pa.table(columns))
    return joined(parts)


def joined(parts: Sequence[pa.Table]) -> pa.Table:
    """One table; a column whose types cannot be joined becomes text."""
    if not parts:
        return pa.table({name: pa.array([], pa.string()) for name in (*FIXED, "truth")})
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        kinds: dict[str, set[pa.DataType]] = {}
        for part in parts:
            for field in part.schema:
                kinds.setdefault(field.name, set()).add(field.type)
        mixed = {name for name, types in kinds.items() if len(types) > 1}
        return pa.concat_tables([_as_text(part, mixed) for part in parts], promote_options="default")


def _fixed(group: Sequence[Captured]) -> dict[str, Any]:
    rows = np.array([item.rows for item in group])
    starts = np.repeat(np.cumsum(rows) - rows, rows)

    def spread(values: Sequence[Any], kind: pa.DataType) -> Any:
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(group)), rows)))

    milliseconds = {
        "latency_ms": [item.latency_us / 1000 for item in group],
        "queue_ms": [item.queue_us / 1000 for item in group],
        "batch_ms": [max(0, item.latency_us - item.queue_us - item.model_us) / 1000 for item in group],
        "model_ms": [item.model_us / 1000 for item in group],
    }
    return {
        "inference_id": spread([item.id for item in group], pa.string()),
        "row_index": pa.array(np.arange(rows.sum()) - starts, pa.int32()),
        "request_rows": spread(rows.tolist(), pa.int32()),
        "happened_at": spread([item.at for item in group], pa.timestamp("us", "UTC")),
        "variant": spread([item.variant for item in group], pa.string()),
        "version": spread([item.version for item in group], pa.string()),
        "principal": spread([item.principal for item in group], pa.string()),
        "trace_id": spread([item.trace_id or None for item in group], pa.string()),
        "parent_span_id": spread([item.parent_span_id or None for item in group], pa.string()),
        **{name: spread(values, pa.float64()) for name, values in milliseconds.items()},
    }


def _add(
    columns: dict[str, Any], tensors: Mapping[str, Tensor], specs: Sequence[TensorSpec], prefix: str, *, is_always: bool
) -> None:
    """Add the columns of tensors; `prefix` goes before each name, or before those that are taken."""
    names = {spec.name: spec.columns for spec in specs}
    for tensor_name, tensor in tensors.items():
        flat = tensor.reshape(len(tensor), -1)
        own = names.get(tensor_name, ())
        if len(own) != flat.shape[1]:
            own = (tensor_name,)
        for place, name in enumerate(own):
            label = f"{prefix}{name}" if is_always or name in columns else name
            columns[label] = _array(flat[:, place] if len(own) == flat.shape[1] else flat)


def _array(values: Tensor) -> Any:
    if values.ndim == 1:
        # Missing numbers are null, as in SQL; pandas' rule for NaN does just that.
        return pa.array(values.tolist() if values.dtype.kind == "O" else np.ascontiguousarray(values), from_pandas=True)
    return pa.array(values.tolist())


def _truth(group: Sequence[Captured], truths: Truths) -> Any:
    found: list[str | None] = []
    for item in group:
        known = truths.get(item.id, [])
        if len(known) == item.rows:
            found += [None if value is None else str(value) for value in known]
        else:
            found += [None] * item.rows
    return pa.array(found, pa.string())


def _as_text(part: pa.Table, names: set[str]) -> pa.Table:
    for place, field in enumerate(part.schema):
        if field.name in names and not pa.types.is_string(field.type):
            texts = [None if value is None else str(value) for value in part.column(place).to_pylist()]
            part = part.set_column(place, field.name, pa.array(texts, pa.string()))
    return part
