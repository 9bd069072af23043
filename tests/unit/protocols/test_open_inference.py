"""Bodies of the Open Inference Protocol: what was sent is what is understood; everything else is a worded refusal."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelyard.dataplane.gateway.dialect import AnswerContext, Operation, Target
from modelyard.dataplane.tensors import OutputRows, WireTensor, whole
from modelyard.errors import InvalidInputError
from modelyard.protocols.open_inference.rest import OpenInferenceRest
from modelyard.runtimes.tensors import to_raw
from modelyard.types.signatures import DataType, Signature, TensorSpec

DIALECT = OpenInferenceRest()
SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="a", datatype=DataType.FP32, shape=(-1, 2)),
        TensorSpec(name="b", datatype=DataType.INT64, shape=(-1,)),
        TensorSpec(name="c", datatype=DataType.BYTES, shape=(-1, 1)),
    ),
    outputs=(
        TensorSpec(name="a", datatype=DataType.FP32, shape=(-1, 2)),
        TensorSpec(name="c", datatype=DataType.BYTES, shape=(-1, 1)),
    ),
)
CONTEXT = AnswerContext("e", "m", "7", SIGNATURE)


def wire(name: str, array: np.ndarray) -> OutputRows:
    raw = to_raw(name, array)
    return whole(WireTensor(raw.name, raw.datatype, raw.shape, raw.data))


rows_of_values = st.lists(
    st.tuples(
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(codec="utf-8"), max_size=8),
    ),
    min_size=1,
    max_size=12,
)


@given(rows_of_values, st.booleans(), st.permutations(range(3)), st.booleans())
def test_tensors_are_understood_in_every_spelling(
    values: list[tuple[float, float, int, str]], is_nested: bool, order: list[int], is_binary: bool
):
    arrays = {
        "a": np.array([[p, q] for p, q, _, _ in values], np.float32),
        "b": np.array([n for _, _, n, _ in values], np.int64),
        "c": np.array([[word] for *_, word in values], object),
    }
    inputs: list[dict[str, Any]] = []
    binary = b""
    for spec in (SIGNATURE.inputs[index] for index in order):
        array = arrays[spec.name]
        message: dict[str, Any] = {"name": spec.name, "datatype": spec.datatype, "shape": array.shape}
        if is_binary:
            raw = to_raw(spec.name, array).data
            message["parameters"] = {"binary_data_size": len(raw)}
            binary += raw
        else:
            message["data"] = (array if is_nested else array.reshape(-1)).tolist()
        inputs.append(message)
    head = json.dumps({"inputs": inputs, "id": "x"}).encode()
    headers = {b"inference-header-content-length": b"%d" % len(head)} if is_binary else {}
    call = DIALECT.parse(head + binary, headers, SIGNATURE)
    assert call.rows == len(values)
    assert [tensor.name for tensor in call.inputs] == ["a", "b", "c"]
    for tensor in call.inputs:
        assert bytes(tensor.data) == to_raw(tensor.name, arrays[tensor.name]).data
    answer = json.loads(call.reply((wire("a", arrays["a"]), wire("c", arrays["c"])), "inf-1", CONTEXT).body)
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("e", "7", "x")
    assert np.array(answer["outputs"][0]["data"], np.float32).tolist() == arrays["a"].reshape(-1).tolist()
    assert answer["outputs"][1]["data"] == arrays["c"].reshape(-1).tolist()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
tensor_messages = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b", "c", "d"]) | json_values,
        "datatype": st.sampled_from([*DataType]) | json_values,
        "shape": st.lists(st.integers(-3, 5) | st.integers(), max_size=4) | json_values,
        "data": st.lists(json_values, max_size=6) | json_values,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers() | json_values}) | json_values,
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "inputs": st.lists(tensor_messages, max_size=4) | json_values,
        "outputs": st.lists(tensor_messages, max_size=3) | json_values,
        "parameters": st.fixed_dictionaries({}, optional={"timeout": json_values, "binary_data_output": json_values}),
    },
)


@given(
    st.binary(max_size=300) | documents.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.none() | st.integers(-5, 400).map(lambda n: b"%d" % n) | st.binary(max_size=12),
    st.none() | st.sampled_from([b"application/json", b"application/octet-stream; x=y"]) | st.binary(max_size=20),
)
@example(b"[" * 100_000, None, None)
@example(b'{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":' + b"[" * 5000, None, None)
@example(b'{"inputs":[{"name":"a","datatype":"FP32","shape":[99999999999,99999999999],"data":[]}]}', None, None)
def test_no_body_whatever_gets_past_or_breaks_the_parser(body: bytes, header: bytes | None, media_type: bytes | None):
    headers = {b"content-type": media_type, b"inference-header-content-length": header}
    try:
        call = DIALECT.parse(body, {name: value for name, value in headers.items() if value is not None}, SIGNATURE)
    except InvalidInputError:
        return
    for spec, tensor in zip(SIGNATURE.inputs, call.inputs, strict=True):
        array = tensor.to_array()
        assert array.shape[0] == call.rows >= 1
        assert tensor.datatype is spec.datatype


@given(st.floats(width=32), st.floats(width=32))
def test_a_float_that_is_no_number_never_reaches_the_model(first: float, second: float):
    array = np.array([[first, second]], np.float32)
    message = {"name": "a", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    head = json.dumps({"inputs": [message]}).encode()
    one = Signature(inputs=SIGNATURE.inputs[:1], outputs=())
    headers = {b"inference-header-content-length": b"%d" % len(head)}
    if math.isfinite(first) and math.isfinite(second):
        assert DIALECT.parse(head + array.tobytes(), headers, one).rows == 1
    else:
        with pytest.raises(InvalidInputError) as refused:
            DIALECT.parse(head + array.tobytes(), headers, one)
        assert refused.value.code == "tensor_value"


@pytest.mark.parametrize("shape", [(1, -1), (1, -1, -1), (-1, -1)])
def test_a_shape_with_a_negative_size_is_refused_where_the_model_leaves_it_open(shape: tuple[int, ...]):
    spec = TensorSpec(name="a", datatype=DataType.FP32, shape=(-1,) * len(shape))
    body = json.dumps({"inputs": [{"name": "a", "datatype": "FP32", "shape": shape, "data": [1.0]}]}).encode()
    with pytest.raises(InvalidInputError, match="negative size"):
        DIALECT.parse(body, {}, Signature(inputs=(spec,), outputs=(spec,)))


@given(st.floats(width=32))
def test_missing_values_pass_where_the_model_allows_them(value: float):
    spec = TensorSpec(name="a", datatype=DataType.FP32, shape=(-1, 1), allows_missing=True)
    body = json.dumps({"inputs": [{"name": "a", "datatype": "FP32", "shape": [2, 1], "data": [None, 1.5]}]}).encode()
    call = DIALECT.parse(body, {}, Signature(inputs=(spec,), outputs=()))
    first, second = call.inputs[0].to_array().reshape(-1).tolist()
    assert math.isnan(first)
    assert second == 1.5


def test_an_answer_carries_chosen_outputs_in_chosen_forms():
    parameters = {"parameters": {"binary_data": True}}
    request = {
        "inputs": [
            {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]},
            {"name": "b", "datatype": "INT64", "shape": [1], "data": [1.0]},
            {"name": "c", "datatype": "BYTES", "shape": [1, 1], "data": ["x"]},
        ],
        "outputs": [{"name": "c"}, {"name": "a", **parameters}],
        "parameters": {"timeout": 2_500_000},
    }
    call = DIALECT.parse(json.dumps(request).encode(), {}, SIGNATURE)
    assert call.timeout_seconds == 2.5
    outputs = (wire("a", np.array([[0.9, np.nan]], np.float32)), wire("c", np.array([["é"]], object)))
    reply = call.reply(outputs, "inf-1", CONTEXT)
    assert reply.content_type == b"application/octet-stream"
    size = int(reply.headers.split(b": ")[1])
    head = json.loads(reply.body[:size])
    assert [output["name"] for output in head["outputs"]] == ["c", "a"]
    assert head["outputs"][0]["data"] == ["é"]
    assert head["outputs"][1]["parameters"] == {"binary_data_size": 8}
    assert reply.body[size:] == outputs[0].data
    assert head["id"] == "inf-1"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v2", Target(Operation.SERVER_METADATA)),
        ("/v2/health/ready", Target(Operation.SERVER_READY)),
        ("/v2/models/a.b", Target(Operation.ENDPOINT_METADATA, "a.b")),
        ("/v2/models/a/infer", Target(Operation.INFER, "a")),
        ("/v2/models/a/versions/3/infer", Target(Operation.INFER, "a", "3")),
        ("/v2/models/a/versions/3/ready", Target(Operation.ENDPOINT_READY, "a", "3")),
        ("/v2/models/a/infer/", None),
        ("/v2/models//infer", None),
        ("/v2x", None),
        ("/v2/models/a/generate", None),
    ],
)
def test_paths(path: str, target: Target | None):
    assert DIALECT.target(path) == target
