"""Predict requests of TensorFlow Serving: rows and columns in, the same form out."""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelyard.dataplane.gateway.dialect import AnswerContext, EndpointView, Operation, Target, VersionView
from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import InvalidInputError
from modelyard.protocols.tensorflow_serving.dialect import TensorFlowServing
from modelyard.runtimes.tensors import to_raw
from modelyard.types.signatures import DataType, Signature, TensorSpec

DIALECT = TensorFlowServing()
TWO = Signature(
    inputs=(
        TensorSpec(name="a", datatype=DataType.FP32, shape=(-1, 2)),
        TensorSpec(name="w", datatype=DataType.BYTES, shape=(-1,)),
    ),
    outputs=(
        TensorSpec(name="a", datatype=DataType.FP32, shape=(-1, 2)),
        TensorSpec(name="w", datatype=DataType.BYTES, shape=(-1,)),
    ),
)
ONE = Signature(inputs=TWO.inputs[:1], outputs=TWO.outputs[:1])
ROWS = [{"a": [0.5, 1.5], "w": "x"}, {"a": [2.5, 3.5], "w": "größer"}]
COLUMNS = {"a": [[0.5, 1.5], [2.5, 3.5]], "w": ["x", "größer"]}


def called(body: Any, signature: Signature = TWO) -> dict[str, Any]:
    """The answer of a model that answers its inputs."""
    call = DIALECT.parse(json.dumps(body).encode(), {}, signature)
    raw = [to_raw(tensor.name, tensor.to_array()) for tensor in call.inputs]
    outputs = [WireTensor(each.name, each.datatype, each.shape, each.data) for each in raw]
    return json.loads(call.reply(outputs, "inf-1", AnswerContext("e", "m", "1", signature)).body)


def test_rows_are_answered_by_rows_and_columns_by_columns():
    assert called({"instances": ROWS}) == {"predictions": ROWS}
    assert called({"inputs": COLUMNS, "signature_name": "serving_default"}) == {"outputs": COLUMNS}


def test_the_only_tensor_needs_no_name():
    assert called({"instances": COLUMNS["a"]}, ONE) == {"predictions": COLUMNS["a"]}
    assert called({"inputs": COLUMNS["a"]}, ONE) == {"outputs": COLUMNS["a"]}
    assert called({"instances": [{"a": [1, 2]}]}, ONE) == {"predictions": [[1, 2]]}


def test_base64_stands_for_text():
    row = {"a": [1, 2], "w": {"b64": base64.b64encode("größer".encode()).decode()}}
    assert called({"instances": [row]}) == {"predictions": [{"a": [1, 2], "w": "größer"}]}
    with pytest.raises(InvalidInputError, match="base64"):
        called({"instances": [{"a": [1, 2], "w": {"b64": "?"}}]})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_json"),
        ({"instances": [], "inputs": {}}, "invalid_json"),
        ({"instances": None}, "invalid_json"),
        ({"instances": []}, "tensor_shape"),
        ({"instances": [[1, 2]]}, "tensor_shape"),
        ({"inputs": {"a": [[1, 2]]}}, "tensor_missing"),
        ({"inputs": {"a": [[1, 2]], "w": ["x"], "z": [1]}}, "tensor_unknown"),
        ({"instances": [{"a": [1, 2]}]}, "tensor_missing"),
        ([], "invalid_json"),
    ],
)
def test_what_does_not_fit_is_refused(body: Any, code: str):
    with pytest.raises(InvalidInputError) as refused:
        called(body)
    assert refused.value.code == code


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "w", "b64"]), inner, max_size=3),
    max_leaves=12,
)
documents = st.fixed_dictionaries({}, optional=dict.fromkeys(("instances", "inputs", "signature_name"), json_values))


@given(
    st.binary(max_size=200) | documents.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.sampled_from([ONE, TWO]),
)
@example(b'{"instances":' + b'[{"b64":' * 5000, TWO)
def test_no_body_whatever_gets_past_or_breaks_the_parser(body: bytes, signature: Signature):
    try:
        call = DIALECT.parse(body, {}, signature)
    except InvalidInputError:
        return
    assert [tensor.name for tensor in call.inputs] == [spec.name for spec in signature.inputs]
    assert all(tensor.to_array().shape[0] == call.rows for tensor in call.inputs)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v1/models/a.b:predict", Target(Operation.INFER, "a.b")),
        ("/v1/models/a/versions/3:predict", Target(Operation.INFER, "a", "3")),
        ("/v1/models/a/labels/green:predict", Target(Operation.INFER, "a", "green")),
        ("/v1/models/a", Target(Operation.ENDPOINT_METADATA, "a", "", "status")),
        ("/v1/models/a/versions/3", Target(Operation.ENDPOINT_METADATA, "a", "3", "status")),
        ("/v1/models/a/versions/3/metadata", Target(Operation.ENDPOINT_METADATA, "a", "3", "metadata")),
        ("/v1/models/a:classify", None),
        ("/v1/models/:predict", None),
        ("/v1/models/", None),
    ],
)
def test_paths(path: str, target: Target | None):
    assert DIALECT.target(path) == target


def test_status_and_metadata_have_the_shape_that_clients_read():
    view = EndpointView("e", "2", [VersionView("1", True), VersionView("2", False)], TWO)
    status = DIALECT.describe_endpoint(Target(Operation.ENDPOINT_METADATA, "e", "", "status"), view)
    assert [(each["version"], each["state"]) for each in status["model_version_status"]] == [
        ("1", "AVAILABLE"),
        ("2", "LOADING"),
    ]
    one = DIALECT.describe_endpoint(Target(Operation.ENDPOINT_METADATA, "e", "2", "status"), view)
    assert [each["version"] for each in one["model_version_status"]] == ["2"]
    metadata = DIALECT.describe_endpoint(Target(Operation.ENDPOINT_METADATA, "e", "", "metadata"), view)
    inputs = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    assert inputs["a"]["dtype"] == "DT_FLOAT"
    assert [each["size"] for each in inputs["a"]["tensor_shape"]["dim"]] == ["-1", "2"]
    assert inputs["w"]["dtype"] == "DT_STRING"
