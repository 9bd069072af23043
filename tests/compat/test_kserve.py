"""KServe's clients, unmodified: REST in both versions of its protocol, and gRPC."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse
from kserve.inference_client import RESTConfig

from modelyard.testing.scripted_model import AUTHORIZATION, start_scripted
from modelyard.testing.serving import TOKEN, Serving, endpoint, variant

ROWS = np.array([[1.5, 0, 0], [2.5, 0, 0]], np.float32)
METADATA = (("authorization", f"Bearer {TOKEN}"),)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("kserve")) as serving:
        worker = start_scripted(serving, "echo")
        serving.start_gateway(grpc_port=0)
        serving.publish(endpoint("echo", variant(worker)))
        yield serving


def request(*, is_binary: bool = False) -> InferRequest:
    tensor = InferInput("x", list(ROWS.shape), "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=is_binary)
    return InferRequest(model_name="echo", infer_inputs=[tensor], request_id="r1")


def over_rest(protocol: str, call: Callable[[InferenceRESTClient], Awaitable[Any]]) -> Any:
    async def talk() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol=protocol, retries=0))
        try:
            return await call(client)
        finally:
            await client.close()

    return asyncio.run(talk())


def over_grpc(serving: Serving, call: Callable[[InferenceGRPCClient], Awaitable[Any]]) -> Any:
    async def talk() -> Any:
        client = InferenceGRPCClient(f"127.0.0.1:{serving.grpc_port}", retries=0)
        try:
            return await call(client)
        finally:
            await client.close()

    return asyncio.run(talk())


def values_of(answer: InferResponse) -> list[float]:
    return answer.outputs[0].as_numpy()[:, 0].tolist()


@pytest.mark.parametrize("is_binary", [False, True])
def test_rest(serving: Serving, is_binary: bool):
    answer = over_rest(
        "v2",
        lambda client: client.infer(
            serving.url, request(is_binary=is_binary), model_name="echo", headers=dict(AUTHORIZATION)
        ),
    )
    assert values_of(answer) == [1.5, 2.5]
    assert (answer.model_name, answer.id) == ("echo", "r1")


def test_rest_of_the_first_protocol(serving: Serving):
    answer = over_rest(
        "v1",
        lambda client: client.infer(
            serving.url, {"instances": ROWS.tolist()}, model_name="echo", headers=dict(AUTHORIZATION)
        ),
    )
    assert [row[0] for row in answer["predictions"]] == [1.5, 2.5]


def test_health_over_rest(serving: Serving):
    assert over_rest("v2", lambda client: client.is_server_live(serving.url))
    assert over_rest("v2", lambda client: client.is_server_ready(serving.url))
    assert over_rest("v2", lambda client: client.is_model_ready(serving.url, "echo", headers=dict(AUTHORIZATION)))


def test_errors_are_the_clients_own(serving: Serving):
    with pytest.raises(httpx.HTTPStatusError, match="has no endpoint 'ecko'"):
        over_rest(
            "v2",
            lambda client: client.infer(serving.url, request(), model_name="ecko", headers=dict(AUTHORIZATION)),
        )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        over_grpc(serving, lambda client: client.infer(request()))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_grpc(serving: Serving):
    answer = over_grpc(serving, lambda client: client.infer(request(), headers=METADATA))
    assert values_of(answer) == [1.5, 2.5]
    assert answer.id == "r1"


def test_health_over_grpc(serving: Serving):
    assert over_grpc(serving, lambda client: client.is_server_live())
    assert over_grpc(serving, lambda client: client.is_server_ready())
    assert over_grpc(serving, lambda client: client.is_model_ready("echo", headers=METADATA))
