"""Captures: from the spool to Parquet exactly once, and back as lists and windows."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from msgspec import structs

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.errors import InferenceNotFoundError, TimeRangeInvalidError
from modelyard.control.captures.parquet import concatenate, read_table, rows_of, write_table
from modelyard.control.feedback.service import NewTruth
from modelyard.control.rest.pages import PageQuery
from modelyard.errors import UnavailableError
from modelyard.runtimes.tensors import to_raw
from modelyard.storage.keyset import CursorInvalidError

ALL = BatchFilter(project="default", endpoint="points")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def ids(world, wanted=ALL) -> list[str]:
    found, page = [], PageQuery(limit=7)
    while True:
        answer = world.captures.list(wanted, page)
        found += [item.id for item in answer.items]
        if answer.next_cursor is None:
            return found
        page = PageQuery.decode(7, answer.next_cursor)


def test_what_was_spooled_comes_back_the_newest_first(world):
    sent = [record for _ in range(3) for record in world.traffic(10, rows=2)]
    assert ids(world) == [record.id for record in reversed(sent)]
    shown = world.captures.get("default", "points", sent[4].id)
    assert (shown.rows, shown.latency_ms, shown.queue_ms, shown.model, shown.number) == (2, 1.5, 0.2, "points", 1)
    assert np.shape(shown.inputs["numeric"]) == (2, 2)
    assert shown.outputs["label"] == np.frombuffer(sent[4].outputs[0].data, dtype=np.int64).tolist()
    assert shown.feedback is None
    assert list(world.spool.iterdir()) == []


@pytest.mark.parametrize("line", ["put", "row", "unlink"])
def test_killed_at_any_line_each_inference_is_there_exactly_once(world, monkeypatch, line):
    world.write(world.records(5))
    (segment,) = world.spool.iterdir()

    def kill(*_, **__):
        raise Killed

    target = {"put": (world.objects, "put_file"), "row": (world.capture_repository, "insert")}.get(
        line, (type(segment), "unlink")
    )
    for moment in ("before", "after"):
        with monkeypatch.context() as patch:
            original = getattr(*target)
            patch.setattr(*target, kill if moment == "before" else lambda *a, _o=original, **k: (_o(*a, **k), kill()))
            with pytest.raises(Killed):
                world.ingest.run_once()
        world.write([])
    world.ingest.run_once()
    assert len(ids(world)) == len(set(ids(world))) == 5
    assert list(world.spool.iterdir()) == []


def test_a_segment_that_comes_again_is_not_taken_twice(world):
    world.write(world.records(3))
    (segment,) = world.spool.iterdir()
    content = segment.read_bytes()
    assert world.ingest.run_once() == 3
    segment.write_bytes(content)
    assert world.ingest.run_once() == 0
    assert len(ids(world)) == 3


def test_captures_wait_in_the_spool_while_the_object_store_is_down(world, monkeypatch):
    def down(*_):
        raise UnavailableError("The store does not answer")

    world.write(world.records(3))
    with monkeypatch.context() as patch:
        patch.setattr(world.objects, "put_file", down)
        with pytest.raises(UnavailableError):
            world.ingest.run_once()
    assert ids(world) == []
    assert world.ingest.run_once() == 3


def test_a_damaged_segment_is_read_up_to_the_damage_and_kept_aside(world):
    records = world.records(3)
    world.write(records)
    (segment,) = world.spool.iterdir()
    content = bytearray(segment.read_bytes())
    place = content.rindex(b"inf-000003")
    content[place - 1] = 0xC1  # a byte that msgpack never uses
    segment.write_bytes(content)
    assert world.ingest.run_once() == 2
    assert [path.name for path in (world.spool / "damaged").iterdir()] == [segment.name]
    assert world.ingest.run_once() == 0


def test_overlapping_segments_of_several_gateways_are_shown_in_one_order(world):
    records = world.records(30)
    for start in range(3):
        world.write(records[start::3])
    world.ingest.run_once()
    assert ids(world) == [record.id for record in reversed(records)]


def test_endpoints_and_days_get_objects_of_their_own(world):
    first = world.records(2)
    world.clock.sleep(86400)
    world.write(first + world.records(1) + world.records(1, endpoint="other"))
    world.ingest.run_once()
    keys = sorted(info.key.rsplit("/", 1)[0] for info in world.objects.list("captures"))
    assert keys == [
        "captures/default/other/2026-01-02",
        "captures/default/points/2026-01-01",
        "captures/default/points/2026-01-02",
    ]
    assert len(ids(world)) == 3


def test_lists_are_filtered_by_time_version_and_variant(world):
    old, new = world.traffic(4), world.traffic(4, number=2)
    cut = world.captures.get("default", "points", new[0].id).at
    assert ids(world, replace(ALL, since=cut)) == [record.id for record in reversed(new)]
    assert ids(world, replace(ALL, until=cut)) == [record.id for record in reversed([*old, new[0]])]
    assert ids(world, replace(ALL, version="points:1")) == [record.id for record in reversed(old)]
    assert ids(world, replace(ALL, version="points")) == []
    assert ids(world, replace(ALL, variant="mai_")) == []
    assert len(ids(world, replace(ALL, variant="main"))) == 8


def test_wrong_questions_are_refused(world):
    now = world.clock.now()
    with pytest.raises(TimeRangeInvalidError):
        world.captures.list(replace(ALL, since=now, until=now - timedelta(seconds=1)), PageQuery())
    with pytest.raises(TimeRangeInvalidError):
        world.captures.list(replace(ALL, since=now.replace(tzinfo=None)), PageQuery())
    with pytest.raises(CursorInvalidError):
        world.captures.list(ALL, PageQuery(after=("name",)))
    with pytest.raises(InferenceNotFoundError):
        world.captures.get("default", "points", "inf-unknown")


def test_a_window_holds_the_newest_rows_and_reads_no_more_batches_than_it_needs(world, monkeypatch):
    for _ in range(5):
        world.traffic(10, rows=3)
    read = []
    original = world.objects.read
    monkeypatch.setattr(world.objects, "read", lambda key: read.append(key) or original(key))
    window = [item for batch in world.captures.newest(ALL, rows=40) for item in batch]
    assert [item.id for item in window] == ids(world)[:14]
    assert sum(item.rows for item in window) == 42
    assert len(read[:2]) == 2
    ((_, inputs, outputs),) = concatenate(window)
    assert (inputs["numeric"].shape, outputs["label"].shape) == ((42, 2), (42,))


def test_strings_and_missing_numbers_survive(world):
    (record,) = world.records(1)
    texts = np.array([["Zürich"], [""]], dtype=object)
    numbers = np.array([[np.nan, 1], [2, 3]], dtype=np.float32)
    record = structs.replace(record, rows=2, inputs=(to_raw("categorical", texts), to_raw("numeric", numbers)))
    world.write([record])
    world.ingest.run_once()
    shown = world.captures.get("default", "points", record.id)
    assert shown.inputs == {"categorical": [["Zürich"], [""]], "numeric": [[None, 1.0], [2.0, 3.0]]}


def test_truth_is_shown_whenever_it_came(world):
    records = world.records(2)
    world.feedback.record("default", "points", [NewTruth(records[0].id, [1])])
    world.write(records)
    world.ingest.run_once()
    world.feedback.record("default", "points", [NewTruth(records[1].id, ["0"])])
    assert [world.captures.get("default", "points", record.id).feedback for record in records] == [[1], ["0"]]


def test_a_missing_object_disturbs_nobody(world):
    world.traffic(3)
    for info in list(world.objects.list("captures")):
        world.objects.delete(info.key)
    assert ids(world) == []


def test_pages_neither_overlap_nor_miss_anything(world):
    world.traffic(20)
    found = ids(world)
    assert len(found) == 20
    assert all(one > other for one, other in pairwise(found))


def test_the_callers_trace_comes_back_and_older_objects_have_none(world):
    trace, parent = "a" * 32, "b" * 16
    plain, traced = world.records(2)
    world.write([plain, structs.replace(traced, traceparent=f"00-{trace}-{parent}-01")])
    world.ingest.run_once()
    assert (world.captures.get("default", "points", traced.id).trace_id) == trace
    assert (world.captures.get("default", "points", traced.id).parent_span_id) == parent
    assert world.captures.get("default", "points", plain.id).trace_id == ""
    (batch,) = world.captures.tables(ALL)
    path = world.spool / "older.parquet"
    write_table(batch[1].drop_columns(["traceparent", "masked", "model_us"]), path)
    assert [(item.traceparent, item.masked, item.model_us) for item in rows_of(read_table(path.read_bytes()))] == [
        ("", (), 0),
        ("", (), 0),
    ]
