"""Captures as columns, gathered pack by pack: what the take-over from the spool costs is mostly what is done here.

No object of an inference outlives its pack. So there is nothing for the garbage collector to look through again and
again, which would take as long as the decoding.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from modelyard.control.captures.batches import moment
from modelyard.types.tensors import CaptureRecord, RawTensor

PLAIN = (
    "id",
    "at_ns",
    "variant",
    "model",
    "number",
    "rows",
    "latency_us",
    "queue_us",
    "model_us",
    "principal",
    "traceparent",
)
"""Columns that hold one value of a record."""

_SIDES = ("inputs", "outputs")
_DAY_NS = timedelta(days=1) // timedelta(microseconds=1) * 1000
_pair = attrgetter("project", "endpoint")
_plain = attrgetter(*PLAIN)
_raw = attrgetter("name", "datatype", "shape", "data")


class Place(NamedTuple):
    """Where a table belongs; `day` counts from 1970."""

    project: str
    endpoint: str
    day: int

    @property
    def date(self) -> str:
        """The day as yyyy-mm-dd."""
        return moment(self.day * _DAY_NS).date().isoformat()


class Gathering:
    """Takes records in, gives a table for each endpoint and day. Used from one thread."""

    def __init__(self) -> None:
        self._columns: dict[Place, _Columns] = {}
        self.count = 0

    def add(self, records: Sequence[CaptureRecord]) -> None:
        """Take some in; they need not be kept."""
        self.count += len(records)
        pairs, days = [*map(_pair, records)], [record.at_ns // _DAY_NS for record in records]
        if len({*pairs}) == len({*days}) == 1:
            self._at(Place(*pairs[0], days[0])).add(records)
            return
        parts: dict[Place, list[CaptureRecord]] = {}
        for record, pair, day in zip(records, pairs, days, strict=True):
            parts.setdefault(Place(*pair, day), []).append(record)
        for place, own in parts.items():
            self._at(place).add(own)

    def tables(self) -> Iterator[tuple[Place, Any]]:
        """All of them, sorted by time; equal records give equal bytes when they are written."""
        for place, columns in self._columns.items():
            yield place, columns.table()

    def _at(self, place: Place) -> "_Columns":
        return self._columns.setdefault(place, _Columns())


class _Columns:
    def __init__(self) -> None:
        self._plain: dict[str, list[Any]] = {name: [] for name in PLAIN}
        self._masked: list[tuple[str, ...]] = []
        self._sides = {side: _Tensors() for side in _SIDES}

    def add(self, records: Sequence[CaptureRecord]) -> None:
        for values, more in zip(self._plain.values(), zip(*map(_plain, records), strict=True), strict=True):
            values.extend(more)
        self._masked.extend(record.masked for record in records)
        for side, tensors in self._sides.items():
            tensors.add([getattr(record, side) for record in records])

    def table(self) -> Any:
        import pyarrow as pa  # noqa: PLC0415 - 0.4 s that the control process must start without

        integers = {"at_ns": pa.int64(), "number": pa.int32(), "rows": pa.int32()}
        kinds = {name: integers.get(name, pa.int64() if name.endswith("_us") else pa.string()) for name in PLAIN}
        arrays = {name: _column(self._plain[name], kind) for name, kind in kinds.items()}
        arrays["masked"] = pa.array(self._masked, pa.list_(pa.string()))
        arrays |= {side: tensors.column() for side, tensors in self._sides.items()}
        return _sorted(pa.table(arrays))


class _Tensors:
    """The tensors of one side, one after another."""

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._names: list[str] = []
        self._datatypes: list[str] = []
        self._ranks: list[int] = []
        self._lengths: list[int] = []
        self._data: list[bytes] = []

    def add(self, cells: Sequence[tuple[RawTensor, ...]]) -> None:
        self._counts.extend(map(len, cells))
        raws = [*map(_raw, chain.from_iterable(cells))]
        if raws:
            names, datatypes, shapes, data = zip(*raws, strict=True)
            self._names.extend(names)
            self._datatypes.extend(datatypes)
            self._ranks.extend(map(len, shapes))
            self._lengths.extend(chain.from_iterable(shapes))
            self._data.extend(data)

    def column(self) -> Any:
        import pyarrow as pa  # noqa: PLC0415 - see above

        parts = {
            "name": _column(self._names, pa.string()),
            "datatype": _column(self._datatypes, pa.string()),
            "shape": pa.ListArray.from_arrays(_ends(self._ranks), pa.array(self._lengths, pa.int64())),
            "data": pa.array(self._data, pa.binary()),
        }
        return pa.ListArray.from_arrays(
            _ends(self._counts), pa.StructArray.from_arrays(list(parts.values()), names=list(parts))
        )


def _ends(counts: list[int]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - see above

    return pa.array(accumulate(counts, initial=0), pa.int32())


def _column(values: list[Any], kind: Any) -> Any:
    """An array; of equal values without looking at each of them (one variant, one version, one token)."""
    import pyarrow as pa  # noqa: PLC0415 - see above

    if values and values.count(values[0]) == len(values):
        return pa.repeat(pa.scalar(values[0], kind), len(values))
    return pa.array(values, kind)


def _sorted(table: Any) -> Any:
    """By time, then id. Requests are recorded when they are answered, so they are nearly in order, or are."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see above

    times = table["at_ns"].to_numpy()
    if (np.diff(times) > 0).all():
        return table
    order = pc.sort_indices(table.select(["at_ns", "id"]), [("at_ns", "ascending"), ("id", "ascending")])
    return table.take(order).combine_chunks()
