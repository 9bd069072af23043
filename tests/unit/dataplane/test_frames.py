"""Frames survive every way in which a stream can be cut, and garbage is an error and nothing else."""

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dataplane.frames import (
    Answer,
    Draining,
    Failure,
    FrameInvalidError,
    FrameReader,
    Hello,
    Infer,
    encode_frame,
    heads_of,
    tensors_of,
)
from modelyard.dataplane.tensors import WireTensor, split_rows, strings_of, whole
from modelyard.protocols.outputs import flat_json
from modelyard.runtimes.tensors import to_raw
from modelyard.types.signatures import DataType, Signature, TensorSpec

SIGNATURE = Signature(inputs=(TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 3)),), outputs=())


@st.composite
def tensors(draw: st.DrawFn) -> WireTensor:
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=3)))
    return WireTensor(draw(st.text(max_size=5)), draw(st.sampled_from(DataType)), shape, draw(st.binary(max_size=40)))


@st.composite
def messages(draw: st.DrawFn) -> tuple[object, list[WireTensor]]:
    sent = draw(st.lists(tensors(), max_size=3))
    number = draw(st.integers(0, 1 << 40))
    header = draw(
        st.sampled_from(
            [
                Infer(number, heads_of(sent), is_checked=True),
                Answer(number, heads_of(sent), 12),
                Failure(number, "code", "message", "hint", None),
                Hello(1, 2, SIGNATURE, is_pure=True),
                Draining(),
            ]
        )
    )
    return header, sent if isinstance(header, Infer | Answer) else []


@given(st.lists(messages(), max_size=5), st.data())
def test_frames_are_found_however_the_stream_is_cut(sent: list[tuple[object, list[WireTensor]]], data: st.DataObject):
    stream = b"".join(encode_frame(header, [t.data for t in tensors]) for header, tensors in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, received = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received.extend(reader.feed(stream[start:end]))
    assert [header for header, _ in received] == [header for header, _ in sent]
    for (header, body), (_, tensors) in zip(received, sent, strict=True):
        heads = header.inputs if isinstance(header, Infer) else getattr(header, "outputs", ())
        got = tensors_of(heads, body)
        assert [(t.name, t.datatype, t.shape, bytes(t.data)) for t in got] == [
            (t.name, t.datatype, t.shape, t.data) for t in tensors
        ]


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for(garbage: bytes):
    with suppress(FrameInvalidError):
        list(FrameReader(max_frame_bytes=1000).feed(garbage))


def test_a_frame_over_the_limit_is_refused_before_it_is_held():
    with pytest.raises(FrameInvalidError, match="the limit is 100"):
        list(FrameReader(max_frame_bytes=100).feed(struct.pack("<II", 101, 1)))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 3))
def test_a_batch_is_cut_into_the_rows_of_its_requests(rows: list[int], width: int):
    total = sum(rows)
    numbers = struct.pack(f"<{total * width}q", *range(total * width))
    parts = split_rows(WireTensor("n", DataType.INT64, (total, width), numbers), rows)
    assert [part.shape for part in parts] == [(count, width) for count in rows]
    assert b"".join(part.data for part in parts) == numbers


@given(st.lists(st.lists(st.text(max_size=9), min_size=1, max_size=4), min_size=1, max_size=6))
def test_strings_are_cut_at_their_own_lengths(batch: list[list[str]]):
    words = [word for request in batch for word in request]
    data = b"".join(struct.pack("<I", len(word.encode())) + word.encode() for word in words)
    parts = split_rows(WireTensor("s", DataType.BYTES, (len(words),), data), [len(request) for request in batch])
    assert [strings_of(part) for part in parts] == batch


@given(
    st.sampled_from(DataType), st.lists(st.integers(0, 3), min_size=1, max_size=3), st.binary(max_size=60), st.data()
)
def test_a_damaged_answer_is_never_cut_wrongly(datatype: DataType, shape: list[int], data: bytes, draws: st.DataObject):
    rows = draws.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    tensor = WireTensor("t", datatype, tuple(shape), data)
    try:
        parts = split_rows(tensor, rows)
    except ValueError:
        return
    assert sum(rows) == shape[0]
    assert b"".join(bytes(part.data) for part in parts) == data


@given(
    st.sampled_from(["float32", "float64", "int64", "uint8", "bool", "O"]),
    st.lists(st.integers(1, 4), min_size=1),
    st.data(),
)
def test_a_batch_written_as_json_once_says_what_each_request_written_by_itself_says(
    dtype: str, rows: list[int], draws: st.DataObject
):
    shape = (sum(rows), *draws.draw(st.lists(st.integers(0, 3), max_size=2)))
    elements = {"O": st.text(max_size=5), "bool": st.booleans(), "int64": st.integers(-(2**63), 2**63 - 1)}
    elements |= {"float32": st.floats(width=32), "float64": st.floats(), "uint8": st.integers(0, 255)}
    size = int(np.prod(shape))
    values = draws.draw(st.lists(elements[dtype], min_size=size, max_size=size))
    array = np.array(values, dtype=dtype).reshape(shape) if values else np.empty(shape, dtype)
    raw = to_raw("t", array)
    tensor = WireTensor(raw.name, raw.datatype, raw.shape, raw.data)
    parts = split_rows(tensor, rows)
    alone = [whole(part.to_wire()) for part in parts]
    assert [flat_json(part) for part in parts] == [flat_json(part) for part in alone]
    assert [part.shape for part in parts] == [part.shape for part in alone]
