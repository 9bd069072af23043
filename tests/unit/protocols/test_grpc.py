"""ModelInferRequest: what was sent is what is understood; everything else is a worded refusal."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dataplane.errors import DeadlineExceededError, EndpointNotReadyError, EndpointStoppedError
from modelyard.dataplane.gateway.dialect import AnswerContext
from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import InternalError, InvalidInputError, OverloadedError, TooLargeError
from modelyard.protocols.open_inference.grpc.messages import MESSAGES
from modelyard.protocols.open_inference.grpc.requests import parse
from modelyard.protocols.open_inference.grpc.service import _in_stream
from modelyard.protocols.open_inference.grpc.status import code_of
from modelyard.runtimes.tensors import to_raw
from modelyard.types.signatures import DataType, Signature, TensorSpec

REQUEST = MESSAGES["ModelInferRequest"]
SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="a", datatype=DataType.FP32, shape=(-1, 2)),
        TensorSpec(name="c", datatype=DataType.BYTES, shape=(-1,)),
    ),
    outputs=(TensorSpec(name="a", datatype=DataType.FP32, shape=(-1, 2)),),
)
integers = st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 5)


@st.composite
def requests(draw: st.DrawFn) -> Any:
    request = REQUEST(model_name="m")
    for name in draw(st.lists(st.sampled_from(["a", "c", "d"]), max_size=3)):
        datatype = draw(st.sampled_from(["FP32", "BYTES", "FP16", "INT8", "BOOL", "UINT64", "?"]))
        tensor = request.inputs.add(name=name, datatype=datatype, shape=draw(st.lists(integers, max_size=3)))
        tensor.contents.fp32_contents.extend(draw(st.lists(st.floats(width=32), max_size=4)))
        tensor.contents.bytes_contents.extend(draw(st.lists(st.binary(max_size=4), max_size=3)))
        tensor.contents.int_contents.extend(draw(st.lists(integers, max_size=3)))
    request.raw_input_contents.extend(draw(st.lists(st.binary(max_size=24), max_size=3)))
    for name in draw(st.lists(st.sampled_from(["a", "z"]), max_size=2)):
        request.outputs.add(name=name)
    if draw(st.booleans()):
        request.parameters["timeout"].int64_param = draw(st.integers(-(2**63), 2**63 - 1))
    if draw(st.booleans()):
        request.parameters["timeout"].SetInParent()
    return request


@given(requests() | st.binary(max_size=200))
def test_no_message_whatever_gets_past_or_breaks_the_parser(sent: Any):
    try:
        message = REQUEST.FromString(sent) if isinstance(sent, bytes) else sent
        call = parse(message, SIGNATURE, 1.0)
    except (DecodeError, InvalidInputError):
        return
    assert all(tensor.to_array().shape[0] == call.rows >= 1 for tensor in call.inputs)
    assert 0 < call.timeout_seconds <= 1.0


@given(st.lists(st.tuples(st.floats(-9, 9, width=32), st.text(max_size=9)), min_size=1, max_size=9), st.booleans())
def test_tensors_are_understood_in_both_forms(rows: list[tuple[float, str]], is_raw: bool):
    numbers = np.array([[value, -value] for value, _ in rows], np.float32)
    words = np.array([word.encode("utf-8", "replace").decode() for _, word in rows], object)
    request = REQUEST(id="x")
    first = request.inputs.add(name="c", datatype="BYTES", shape=[len(rows)])
    second = request.inputs.add(name="a", datatype="FP32", shape=[len(rows), 2])
    if is_raw:
        request.raw_input_contents.extend([to_raw("c", words).data, numbers.tobytes()])
    else:
        first.contents.bytes_contents.extend(word.encode() for word in words)
        second.contents.fp32_contents.extend(numbers.reshape(-1).tolist())
    call = parse(request, SIGNATURE, None)
    assert (call.rows, call.timeout_seconds) == (len(rows), None)
    assert bytes(call.inputs[0].data) == numbers.tobytes()
    assert call.inputs[1].to_array().tolist() == words.tolist()
    outputs = [WireTensor("a", DataType.FP32, numbers.shape, numbers.tobytes())]
    body = call.reply(outputs, "inf-1", AnswerContext("e", "m", "7", SIGNATURE)).body
    answer = MESSAGES["ModelInferResponse"].FromString(body)
    assert (answer.model_name, answer.model_version, answer.id) == ("e", "7", "x")
    assert answer.raw_output_contents[0] == numbers.tobytes()
    in_stream = MESSAGES["ModelStreamInferResponse"].FromString(_in_stream(body))
    assert in_stream.infer_response == answer


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInputError("x"), "INVALID_ARGUMENT"),
        (TooLargeError("x"), "RESOURCE_EXHAUSTED"),
        (OverloadedError("x"), "RESOURCE_EXHAUSTED"),
        (EndpointStoppedError("x"), "FAILED_PRECONDITION"),
        (EndpointNotReadyError("x"), "UNAVAILABLE"),
        (DeadlineExceededError("x"), "DEADLINE_EXCEEDED"),
        (InternalError("x"), "INTERNAL"),
    ],
)
def test_errors_have_codes(error: Any, code: str):
    assert code_of(error).name == code
