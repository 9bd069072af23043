"""The spool keeps what it was given, within its limits, and says what it lost."""

import os
import time
from pathlib import Path

import pytest

from modelyard.dataplane.captures import SpoolLimits, SpoolWriter, WireCapture, closed_segments, read_segment
from modelyard.dataplane.errors import CaptureDamagedError
from modelyard.dataplane.tensors import WireTensor
from modelyard.types.signatures import DataType
from modelyard.types.tensors import CaptureRecord


def record(number: int, size: int = 12) -> WireCapture:
    tensor = WireTensor("x", DataType.UINT8, (1, size), memoryview(bytes(size)))
    return WireCapture(f"inf-{number}", number, "p", "e", "v", "m", 1, 1, 5, 2, "t", (tensor,), (tensor,))


def ids(folder: Path) -> list[str]:
    return [each.id for path in closed_segments(folder) for each in read_segment(path)]


def test_records_come_back_in_order_and_whole(tmp_path: Path):
    writer = SpoolWriter(tmp_path)
    for number in range(1000):
        writer.append(record(number))
    writer.close()
    assert ids(tmp_path) == [f"inf-{number}" for number in range(1000)]
    first = next(read_segment(closed_segments(tmp_path)[0]))
    assert isinstance(first, CaptureRecord)
    assert first.inputs[0].data == bytes(12)
    assert (writer.written, writer.dropped) == (1000, 0)


def test_a_segment_is_closed_when_it_is_large_or_old(tmp_path: Path):
    writer = SpoolWriter(tmp_path, SpoolLimits(segment_bytes=2000, segment_seconds=0.2))
    for number in range(100):
        writer.append(record(number))
        writer.flush()
    deadline = time.monotonic() + 10
    while len(ids(tmp_path)) < 100 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(ids(tmp_path)) == 100
    assert len(closed_segments(tmp_path)) > 3
    assert list(tmp_path.glob("*.part")) == []
    writer.close()


def test_a_full_spool_drops_its_oldest_and_counts_them(tmp_path: Path):
    writer = SpoolWriter(tmp_path, SpoolLimits(segment_bytes=2000, spool_bytes=8000))
    for number in range(200):
        writer.append(record(number))
        writer.flush()
    writer.close()
    kept = ids(tmp_path)
    assert sum(path.stat().st_size for path in closed_segments(tmp_path)) <= 8000
    assert kept == [f"inf-{number}" for number in range(200 - len(kept), 200)]
    assert writer.dropped == 200 - len(kept) > 0


def test_a_disk_that_is_too_slow_costs_records_and_no_memory(tmp_path: Path):
    writer = SpoolWriter(tmp_path, SpoolLimits(segment_bytes=1 << 30, waiting_bytes=10_000))
    for number in range(1000):
        writer.append(record(number, 100))  # nothing is flushed: all of it waits
    assert writer.dropped > 900
    writer.close()
    assert len(ids(tmp_path)) == 1000 - writer.dropped


def test_a_spool_that_cannot_be_written_is_survived(tmp_path: Path):
    spool = tmp_path / "spool"
    writer = SpoolWriter(spool, SpoolLimits(segment_seconds=0.05))
    spool.rmdir()
    spool.write_text("no folder")
    writer.append(record(1))
    writer.flush()
    deadline = time.monotonic() + 10
    while not writer.dropped and time.monotonic() < deadline:
        time.sleep(0.01)
    assert writer.dropped == 1
    spool.unlink()
    spool.mkdir()
    writer.append(record(2))
    writer.close()
    assert ids(spool) == ["inf-2"]


def test_what_a_killed_writer_left_is_taken_over_and_what_a_living_one_holds_is_not(tmp_path: Path):
    living = SpoolWriter(tmp_path)
    living.append(record(1))
    living.flush()
    while not list(tmp_path.glob("*.part")):
        time.sleep(0.01)
    held = next(tmp_path.glob("*.part"))
    content = b""
    while not content.startswith(b"MYCAPT3\n") or len(content) < 50:
        content = held.read_bytes()
    (tmp_path / "seg-dead.part").write_bytes(content + content[8:] + content[8:-3])
    (tmp_path / "seg-empty.part").write_bytes(b"")
    SpoolWriter(tmp_path).close()
    assert ids(tmp_path) == ["inf-1", "inf-1"]
    assert list(tmp_path.glob("*.part")) == [held]
    living.close()
    assert len(ids(tmp_path)) == 3


@pytest.mark.parametrize("content", [b"", b"something else", b"MYCAPT3\n" + b"\x04\0\0\0\xff\xff\xff\xff"])
def test_a_damaged_segment_is_named(tmp_path: Path, content: bytes):
    path = tmp_path / "seg-1-1.capture"
    path.write_bytes(content)
    with pytest.raises(CaptureDamagedError, match="seg-1-1"):
        list(read_segment(path))


def test_segments_are_private(tmp_path: Path):
    writer = SpoolWriter(tmp_path)
    writer.append(record(1))
    writer.close()
    assert os.stat(closed_segments(tmp_path)[0]).st_mode & 0o077 == 0  # noqa: PTH116 - mode bits


def test_segments_stay_in_order_while_the_clock_is_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seconds = [2_000_000_000, 1_000_000_000, 1_000_000_000, 1_000_000_001, 3_000_000_000]
    for number, second in enumerate(seconds):
        monkeypatch.setattr("modelyard.kit.ids.time.time_ns", lambda second=second: second * 10**9)
        if number == 0:
            writer = SpoolWriter(tmp_path, SpoolLimits(segment_seconds=0.0))
        writer.append(record(number))
        writer.flush()
        while len(closed_segments(tmp_path)) <= number:
            time.sleep(0.002)
    writer.close()
    assert ids(tmp_path) == [f"inf-{number}" for number in range(5)]
    assert max(len(path.name) for path in closed_segments(tmp_path)) < 60


def test_a_record_that_must_not_be_written_is_counted_as_lost(tmp_path: Path):
    writer = SpoolWriter(tmp_path)
    writer.refuse()
    writer.close()
    assert (writer.written, writer.dropped) == (0, 1)
