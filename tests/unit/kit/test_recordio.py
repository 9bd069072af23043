"""What is no RecordIO is refused, and what is takes no time."""

import struct
import time

import numpy as np
import pytest

from modelyard.kit.formats.recordio import DamagedRecordsError, framed, frames, record
from modelyard.testing.aws.records import record as written


def _field(number: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([number << 3 | 2, size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14]) + content


def _record(tensor: bytes) -> bytes:
    """A record whose features are this Float32Tensor."""
    return _field(1, _field(2, _field(2, tensor)))


def test_a_record_in_parts_needs_its_end():
    (whole,) = frames(written(np.arange(3.0)))
    first = bytearray(framed(whole[:8]))
    first[7] |= 1 << 5
    with pytest.raises(DamagedRecordsError, match="no end"):
        list(frames(bytes(first)))
    last = bytearray(framed(whole[8:]))
    last[7] |= 3 << 5
    (joined,) = frames(bytes(first + last))
    assert joined == whole[:8] + struct.pack("<I", 0xCED7230A) + whole[8:]


def test_a_value_for_several_keys_is_refused():
    tensor = _field(1, struct.pack("<f", 1.5)) + _field(2, bytes([0, 2]))
    with pytest.raises(DamagedRecordsError, match="2 keys and 1 values"):
        record(_record(tensor))


def test_a_tensor_of_a_thousand_dimensions_is_refused():
    with pytest.raises(DamagedRecordsError, match="1000 dimensions"):
        record(_record(_field(3, bytes([2] * 1000))))


def test_numbers_that_come_one_by_one_are_read_in_linear_time():
    start = time.process_time()
    vector, _ = record(_record((b"\x0d" + struct.pack("<f", 2.0)) * 100_000))
    assert time.process_time() - start < 2
    assert vector.values.tolist() == [2.0] * 100_000
