"""Captures as columns: whatever the packs, the same tables with everything in them."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from modelyard.control.captures.gathering import Gathering, Place
from modelyard.control.captures.parquet import rows_of, write_table
from modelyard.types.signatures import DataType
from modelyard.types.tensors import CaptureRecord, RawTensor

DAY_NS = timedelta(days=1) // timedelta(microseconds=1) * 1000
NOON = 20_000 * DAY_NS + DAY_NS // 2


def record(number: int, *, endpoint: str = "points", at_ns: int = NOON, rows: int = 1, **more) -> CaptureRecord:
    values = np.full((rows, 2), number, dtype="<f4")
    texts = b"".join(len(text).to_bytes(4, "little") + text for text in [b"yes"] * rows)
    return CaptureRecord(
        id=f"inf-{number:04d}",
        at_ns=at_ns,
        project="default",
        endpoint=endpoint,
        variant="main",
        model="m",
        number=1 + number % 2,
        rows=rows,
        latency_us=900,
        queue_us=100,
        principal="token-1",
        inputs=(
            RawTensor(name="x", datatype=DataType.FP32, shape=(rows, 2), data=values.tobytes()),
            RawTensor(name="n", datatype=DataType.INT64, shape=(rows,), data=bytes(8 * rows)),
        ),
        outputs=(RawTensor(name="label", datatype=DataType.BYTES, shape=(rows,), data=texts),),
        **more,
    )


def gathered(*packs: list[CaptureRecord]) -> dict[Place, object]:
    gathering = Gathering()
    for pack in packs:
        gathering.add(pack)
    assert gathering.count == sum(map(len, packs))
    return dict(gathering.tables())


def test_each_endpoint_and_day_has_a_table_in_the_order_of_time_then_id():
    late, early = NOON + 5, NOON - 5
    mixed = [
        record(3, at_ns=late),
        record(2, at_ns=early, rows=3),
        record(7, endpoint="faces"),
        record(1, at_ns=early),
        record(4, at_ns=NOON + DAY_NS),
    ]
    found = gathered(mixed[:2], mixed[2:])
    days = {(place.endpoint, place.date): [row.id for row in rows_of(table)] for place, table in found.items()}
    assert days == {
        ("points", "2024-10-04"): ["inf-0001", "inf-0002", "inf-0003"],
        ("points", "2024-10-05"): ["inf-0004"],
        ("faces", "2024-10-04"): ["inf-0007"],
    }


def test_nothing_of_a_record_is_lost(tmp_path: Path):
    sent = record(5, rows=2, model_us=40, masked=("x",), traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    ((table),) = gathered([record(4), sent]).values()
    back = rows_of(table)[1]
    assert (back.id, back.version, back.rows, back.principal) == ("inf-0005", "m:2", 2, "token-1")
    assert (back.latency_us, back.queue_us, back.model_us, back.masked) == (900, 100, 40, ("x",))
    assert (back.trace_id, back.parent_span_id) == ("a" * 32, "b" * 16)
    assert back.inputs["x"].tolist() == [[5, 5], [5, 5]]
    assert back.inputs["n"].tolist() == [0, 0]
    assert back.outputs["label"].tolist() == ["yes", "yes"]


def test_how_the_records_are_packed_makes_no_difference_to_a_byte(tmp_path: Path):
    records = [record(number, at_ns=NOON + (number * 37) % 50) for number in range(50)]
    (one,) = gathered(records).values()
    (other,) = gathered(*([each] for each in records)).values()
    write_table(one, tmp_path / "one")
    write_table(other, tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert [row.at for row in rows_of(one)] == sorted(row.at for row in rows_of(one))
