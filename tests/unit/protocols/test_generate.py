"""`generate` and `generate_stream`: one row by the names of the inputs, whole or in parts."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dataplane.gateway.dialect import AnswerContext, StreamCall, Target
from modelyard.dataplane.gateway.http.responses import error_body
from modelyard.dataplane.tensors import WireTensor, split_rows, whole
from modelyard.errors import InvalidInputError
from modelyard.protocols.open_inference.generate import generate_dialects
from modelyard.runtimes.base import Ending
from modelyard.runtimes.tensors import to_raw
from modelyard.types.signatures import DataType, Signature, TensorSpec

WHOLE, IN_PARTS = generate_dialects()
TEXT = Signature(
    inputs=(TensorSpec(name="prompt", datatype=DataType.BYTES, shape=(-1, 1)),),
    outputs=(TensorSpec(name="answer", datatype=DataType.BYTES, shape=(-1, 1)),),
)
TABLE = Signature(
    inputs=(
        TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 2)),
        TensorSpec(name="id", datatype=DataType.INT64, shape=(-1,)),
    ),
    outputs=(TensorSpec(name="y", datatype=DataType.FP32, shape=(-1, 2)),),
)
IMAGE = Signature(
    inputs=(TensorSpec(name="image", datatype=DataType.UINT8, shape=(-1, 2, 2)),),
    outputs=(TensorSpec(name="y", datatype=DataType.FP32, shape=(-1, 2)),),
)


def context(signature: Signature) -> AnswerContext:
    return AnswerContext("writer", "model", "3", signature)


def rows_of(name: str, array: np.ndarray) -> Any:
    raw = to_raw(name, array)
    return split_rows(WireTensor(raw.name, raw.datatype, raw.shape, raw.data), [1])[0]


def parse(fields: Any, signature: Signature, dialect: Any = IN_PARTS) -> Any:
    return dialect.parse(json.dumps(fields).encode(), {}, signature)


def test_the_two_paths():
    assert IN_PARTS.target("/v2/models/a/generate_stream") == Target("infer", "a")
    assert WHOLE.target("/v2/models/a/versions/2/generate") == Target("infer", "a", "2")
    assert WHOLE.target("/v2/models/a/generate_stream") is None
    assert IN_PARTS.target("/v2/models/a/infer") is None


def test_a_text_has_the_protocols_names():
    call = parse({"text_input": "hi", "id": "r7", "parameters": {"timeout": 2_500_000}}, TEXT)
    assert isinstance(call, StreamCall)
    assert (call.rows, call.timeout_seconds, call.inputs[0].to_array().tolist()) == (1, 2.5, [["hi"]])
    writer = call.writer("inf-1", context(TEXT))
    head = {"id": "r7", "model_name": "writer", "model_version": "3"}
    part = writer.part([rows_of("answer", np.array([["new"]], object))])
    assert json.loads(part.removeprefix(b"data: ")) == {**head, "text_output": "new"}
    last = writer.end(Ending(finish_reason="length"))
    assert json.loads(last.removeprefix(b"data: ")) == {**head, "text_output": "", "finish_reason": "length"}
    assert writer.failure(b'{"code":"x"}') == b'event: error\ndata: {"code":"x"}\n\n'


def test_other_models_have_their_own_names_even_if_they_are_the_protocols():
    call = parse({"x": [1.5, 2], "id": 9}, TABLE, WHOLE)
    assert [tensor.to_array().tolist() for tensor in call.inputs] == [[[1.5, 2.0]], [9]]
    reply = call.reply([rows_of("y", np.array([[0.5, np.nan]], np.float32))], "inf-1", context(TABLE))
    assert json.loads(reply.body)["y"] == [0.5, None]
    assert json.loads(reply.body)["id"] == "inf-1"


@pytest.mark.parametrize(
    ("fields", "signature", "words"),
    [
        ({}, TEXT, "prompt"),
        ({"text_input": "a", "prompt": "b", "more": 1}, TEXT, "no input 'more'"),
        ({"text_input": "a", "parameters": {"temperature": 1}}, TEXT, "takes no 'temperature'"),
        ({"text_input": "a", "parameters": [1]}, TEXT, "must be an object"),
        ({"text_input": "a", "parameters": {"timeout": "soon"}}, TEXT, "microseconds"),
        ({"text_input": ["a", "b"]}, TEXT, "shape"),
        ({"x": [1, 2, 3], "id": 1}, TABLE, "shape"),
        ({"x": [1, 2], "id": [1, 2]}, TABLE, "no single row"),
        ({"image": [1, 2, 3, 4]}, IMAGE, "no single row"),
    ],
)
def test_what_is_wrong_is_said(fields: Any, signature: Signature, words: str):
    with pytest.raises(InvalidInputError, match=words) as refused:
        parse(fields, signature)
    assert refused.value.hint


values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)


@given(
    st.dictionaries(st.sampled_from(["x", "id", "prompt", "text_input", "parameters", "q"]), values),
    st.sampled_from([TEXT, TABLE, IMAGE]),
)
def test_whatever_is_sent_is_a_row_that_fits_or_refused(fields: dict[str, Any], signature: Signature):
    try:
        call = parse(fields, signature)
    except InvalidInputError as error:
        body = json.loads(error_body(error, IN_PARTS.error_fields(error)))
    else:
        body = {}
    if body:
        assert body["error"] == body["message"] != ""
        return
    assert call.rows == 1
    for spec, tensor in zip(signature.inputs, call.inputs, strict=True):
        assert tensor.shape == (1, *spec.shape[1:])


def test_an_output_that_has_no_rows_is_written_as_it_is():
    signature = Signature(inputs=TABLE.inputs, outputs=(TensorSpec(name="y", datatype=DataType.FP32, shape=(2,)),))
    output = whole(WireTensor("y", DataType.FP32, (2,), np.array([1, 2], np.float32).tobytes()))
    writer = parse({"x": [1, 2], "id": 1}, signature).writer("i", context(signature))
    assert json.loads(writer.written([output]))["y"] == [1.0, 2.0]
