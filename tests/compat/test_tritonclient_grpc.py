"""NVIDIA's Triton client over gRPC, unmodified: single calls and streams."""

import json
import queue
import time
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from modelyard.dataplane.gateway.config import Limits
from modelyard.protocols.open_inference.grpc.messages import MESSAGES, SERVICE
from modelyard.testing.same_model import same_bundle
from modelyard.testing.scripted_model import start_scripted
from modelyard.testing.serving import TOKEN, Serving, ServingFailedError, endpoint, variant
from modelyard.testing.streaming_model import Script, start_streaming
from modelyard.types.signatures import DataType, TensorSpec

HEADERS = {"authorization": f"Bearer {TOKEN}"}
SPECS = (
    TensorSpec(name="numbers", datatype=DataType.FP32, shape=(-1, 4)),
    TensorSpec(name="words", datatype=DataType.BYTES, shape=(-1, 2)),
    TensorSpec(name="counts", datatype=DataType.INT64, shape=(-1,)),
    TensorSpec(name="flags", datatype=DataType.BOOL, shape=(-1, 1)),
)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("triton-grpc")
    with Serving(folder, Limits(max_request_bytes=1 << 20)) as serving:
        same = serving.start_worker("same", same_bundle(folder / "bundle", *SPECS))
        scripted = start_scripted(serving, "scripted")
        writer = start_streaming(serving, "writer")
        serving.start_gateway(grpc_port=0)
        serving.publish(
            endpoint("same", variant(same, model="same", number=4), capture_share=1.0),
            endpoint("scripted", variant(scripted)),
            endpoint("writer", variant(writer)),
            endpoint("asleep", is_stopped=True),
        )
        yield serving


@pytest.fixture
def client(serving: Serving) -> Iterator["triton.InferenceServerClient"]:
    with triton.InferenceServerClient(f"127.0.0.1:{serving.grpc_port}") as client:
        yield client


def arrays(rows: int = 3) -> dict[str, np.ndarray]:
    return {
        "numbers": np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32),
        "words": np.array([[f"row {row}", "größer ✓"] for row in range(rows)], dtype=object),
        "counts": np.arange(rows, dtype=np.int64) + (1 << 40),
        "flags": np.arange(rows).reshape(-1, 1) % 2 == 1,
    }


def inputs(given: dict[str, np.ndarray]) -> list[Any]:
    made = []
    for spec in SPECS:
        tensor = triton.InferInput(spec.name, list(given[spec.name].shape), spec.datatype.value)
        tensor.set_data_from_numpy(given[spec.name])
        made.append(tensor)
    return made


def scripted(value: float, seconds: float = 0.0) -> list[Any]:
    tensor = triton.InferInput("x", [1, 3], "FP32")
    tensor.set_data_from_numpy(np.array([[value, seconds, 0]], np.float32))
    return [tensor]


def prompt(script: Script) -> list[Any]:
    tensor = triton.InferInput("prompt", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([script.prompt()], object))
    return [tensor]


def check(result: Any, given: dict[str, np.ndarray]) -> None:
    for name, array in given.items():
        answer = result.as_numpy(f"same_{name}")
        values = answer.reshape(-1).tolist()
        decoded = [item.decode() if isinstance(item, bytes) else item for item in values]
        assert decoded == array.reshape(-1).tolist()
        assert answer.shape == array.shape


def test_the_messages_are_those_of_the_standard():
    for name, message in MESSAGES.items():
        theirs = service_pb2.DESCRIPTOR.pool.FindMessageTypeByName(f"inference.{name}")
        standard = {field.name: (field.number, field.type, field.is_repeated) for field in theirs.fields}
        ours = {field.name: (field.number, field.type, field.is_repeated) for field in message.DESCRIPTOR.fields}
        assert ours == standard, name
        assert [each.name for each in message.DESCRIPTOR.oneofs] == [each.name for each in theirs.oneofs]


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("same", headers=HEADERS)
    assert client.is_model_ready("same", "4", headers=HEADERS)
    assert client.get_server_metadata(headers=HEADERS).name == "modelyard"
    metadata = client.get_model_metadata("same", headers=HEADERS, as_json=True)
    assert metadata["versions"] == ["4"]
    assert [(each["name"], each["datatype"]) for each in metadata["inputs"]][1] == ("words", "BYTES")
    assert metadata["inputs"][0]["shape"] == ["-1", "4"]


def test_tensors_come_back(client, serving: Serving):
    given = arrays()
    result = client.infer("same", inputs(given), request_id="mine", model_version="4", headers=HEADERS)
    check(result, given)
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == ("same", "4", "mine")
    assert response.parameters["inference_id"].string_param.startswith("inf-")
    outputs = [triton.InferRequestedOutput("same_counts")]
    only = client.infer("same", inputs(given), outputs=outputs, headers=HEADERS, compression_algorithm="gzip")
    assert [each.name for each in only.get_response().outputs] == ["same_counts"]


def test_typed_contents_are_understood_too(serving: Serving):
    request = service_pb2.ModelInferRequest(model_name="same")
    given = arrays(2)
    fields = {
        "numbers": "fp32_contents",
        "words": "bytes_contents",
        "counts": "int64_contents",
        "flags": "bool_contents",
    }
    for spec in SPECS:
        tensor = request.inputs.add(name=spec.name, datatype=spec.datatype.value, shape=given[spec.name].shape)
        values = [v.encode() if isinstance(v, str) else v for v in given[spec.name].reshape(-1).tolist()]
        getattr(tensor.contents, fields[spec.name]).extend(values)
    response = call(serving, "ModelInfer", request.SerializeToString())
    answered = service_pb2.ModelInferResponse.FromString(response)
    assert np.frombuffer(answered.raw_output_contents[0], np.float32).tolist() == given["numbers"].reshape(-1).tolist()


def call(serving: Serving, method: str, content: bytes, token: str = TOKEN) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{serving.grpc_port}") as channel:
        return channel.unary_unary(f"/{SERVICE}/{method}")(
            content, metadata=(("authorization", f"Bearer {token}"),), timeout=20
        )


@pytest.mark.parametrize(
    ("content", "code", "name"),
    [
        (b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "invalid_request"),
        (b"", grpc.StatusCode.NOT_FOUND, "endpoint_not_found"),
        (b"\x0a\x04same", grpc.StatusCode.INVALID_ARGUMENT, "tensor_missing"),
        (b"\x0a\x04same\x12\x015", grpc.StatusCode.NOT_FOUND, "variant_not_found"),
        (b"\x0a\x06asleep", grpc.StatusCode.FAILED_PRECONDITION, "endpoint_stopped"),
        (b"\x0a\x04same\x3a\x01x", grpc.StatusCode.INVALID_ARGUMENT, "invalid_request"),
    ],
)
def test_errors_have_their_code_and_the_uniform_body(serving, content: bytes, code: Any, name: str):
    with pytest.raises(grpc.RpcError) as refused:
        call(serving, "ModelInfer", content)
    assert refused.value.code() is code
    body = json.loads(dict(refused.value.trailing_metadata())["modelyard-error-bin"])
    assert body["code"] == name
    assert body["hint"]


def test_answers_and_failures_are_counted_once_whatever_they_came_by(serving, client):
    def counted(name: str) -> float:
        text = httpx.get(f"{serving.url}/metrics").text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name}_total{{"))

    names = ("modelyard_inference_failures", "modelyard_inference_requests")
    before = [counted(name) for name in names]
    client.infer("scripted", scripted(1), headers=HEADERS)
    for value, act in ((1, 1), (np.nan, 0)):
        tensor = triton.InferInput("x", [1, 3], "FP32")
        tensor.set_data_from_numpy(np.array([[value, 0, act]], np.float32))
        with pytest.raises(InferenceServerException):
            client.infer("scripted", [tensor], headers=HEADERS)
    with pytest.raises(grpc.RpcError):
        call(serving, "ModelInfer", b"", token="my_wrong")
    assert [counted(name) for name in names] == [before[0] + 3, before[1] + 1]


def test_a_port_that_is_taken_is_said(serving, tmp_path):
    with Serving(tmp_path) as other, pytest.raises(ServingFailedError, match=r"cannot listen on .* for gRPC"):
        other.start_gateway(grpc_port=serving.grpc_port)


def test_no_token_no_answer(serving, client):
    with pytest.raises(grpc.RpcError) as refused:
        call(serving, "ModelInfer", b"", token="my_wrong")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(InferenceServerException, match="no token came"):
        client.infer("same", inputs(arrays()))


def test_what_is_too_large_or_too_late_is_refused(serving, client):
    with pytest.raises(grpc.RpcError) as refused:
        call(serving, "ModelInfer", bytes(1 << 21))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(InferenceServerException, match=r"(?i)deadline"):
        client.infer("scripted", scripted(1, 1.0), client_timeout=0.2, headers=HEADERS)
    with pytest.raises(InferenceServerException, match="within the request's time"):
        client.infer("scripted", scripted(1, 1.0), timeout=100_000, headers=HEADERS)


def test_many_requests_at_once_get_their_own_answers(client):
    answers: queue.Queue[Any] = queue.Queue()
    for count in range(200):
        client.async_infer(
            "scripted",
            scripted(count),
            lambda result, error: answers.put((result, error)),
            request_id=str(count),
            headers=HEADERS,
        )
    for _ in range(200):
        result, error = answers.get(timeout=30)
        assert error is None
        assert result.as_numpy("y")[0, 0] == float(result.get_response().id)


def test_an_answer_in_parts_has_a_response_for_each_and_an_empty_one_at_the_end(client):
    script, answers = Script(name="w", parts=40), queue.Queue()
    broken = Script(name="b", parts=3, act="raise", at=2)
    client.start_stream(lambda result, error: answers.put((result, error)), headers=HEADERS)
    for name, each in (("whole", script), ("broken", broken)):
        client.async_stream_infer("writer", prompt(each), request_id=name, enable_empty_final_response=True)
    texts, failures, is_over = {"whole": "", "broken": ""}, [], False
    while not (is_over and failures):
        result, error = answers.get(timeout=30)
        if error is not None:
            failures.append(str(error))
            continue
        response = result.get_response()
        if response.parameters["triton_final_response"].bool_param:
            is_over = not response.outputs
            assert (response.id, response.parameters["finish_reason"].string_param) == ("whole", "length")
        else:
            texts[response.id] += result.as_numpy("text")[0].decode()
    client.async_stream_infer("writer", prompt(script), request_id="at once")
    assert answers.get(timeout=30)[0].as_numpy("text")[0].decode() == script.text()
    client.stop_stream()
    assert texts == {"whole": script.text(), "broken": Script(name="b", parts=2).text()}
    assert "told to fail" in failures[0]


def test_a_client_over_grpc_that_leaves_ends_the_work(serving: Serving, client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)), headers=HEADERS)
    endless = Script(name="left-grpc", parts=100_000, seconds=0.005)
    client.async_stream_infer("writer", prompt(endless), enable_empty_final_response=True)
    assert answers.get(timeout=30)[1] is None
    client.stop_stream(cancel_requests=True)
    deadline = time.monotonic() + 20
    while "closed left-grpc" not in serving.output("writer"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stream_answers_as_answers_come(serving, client):
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)), headers=HEADERS)
    given = arrays()
    client.async_stream_infer("scripted", scripted(0, 0.5), request_id="slow")
    for count in range(150):
        client.async_stream_infer("same", inputs(given), request_id=f"fast-{count}")
    client.async_stream_infer("nowhere", inputs(given), request_id="lost")
    ids, errors = [], []
    for _ in range(152):
        result, error = answers.get(timeout=30)
        if error is not None:
            errors.append(str(error))
        else:
            ids.append(result.get_response().id)
    client.stop_stream()
    assert sorted(ids) == sorted(["slow", *(f"fast-{count}" for count in range(150))])
    assert ids[0] != "slow"
    assert len(errors) == 1
    assert "no endpoint 'nowhere'" in errors[0]
