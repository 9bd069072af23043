"""Errors of the gateway, from a real one with a scripted model behind it."""

import json
import socket

import httpx
from stage import Stage

from modelyard.dataplane.gateway.access import Access
from modelyard.testing.scripted_model import body, client, infer
from modelyard.testing.serving import TOKEN
from provokers.registration import provokes

INFER = "/v2/models/echo/infer"
INVOKE = "/endpoints/echo/invocations"


def post(stage: Stage, path: str, content: bytes, **headers: str) -> httpx.Response:
    """The answer to a request with the test's token."""
    with client(stage.gateway) as http:
        return http.post(path, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})


def send(stage: Stage, **changes: object) -> httpx.Response:
    """The answer to a tensor that was changed."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 0, 0], **changes}
    return post(stage, INFER, json.dumps({"inputs": [tensor]}).encode())


def signed(key: str) -> bytes:
    """An Authorization header of that access key, whose signature is none."""
    scope = f"Credential={key}/20260101/us-east-1/sagemaker/aws4_request"
    return f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}".encode()


@provokes("access_key_unknown")
def access_key_unknown(_: Stage) -> None:
    Access().claim(signed("AKIAUNKNOWN"), {})


@provokes("signature_invalid")
def signature_invalid(_: Stage) -> None:
    Access().claim(b"AWS4-HMAC-SHA256 Credential=AKIA1", {})


@provokes("control_unavailable")
def control_unavailable(stage: Stage) -> httpx.Response:
    return httpx.get(f"{stage.gateway.url}/registry/v1/projects")


@provokes("deadline_exceeded")
def deadline_exceeded(stage: Stage) -> httpx.Response:
    request = {**json.loads(body(1, seconds=1.0)), "parameters": {"timeout": 50_000}}
    return post(stage, INFER, json.dumps(request).encode())


@provokes("endpoint_not_ready")
def endpoint_not_ready(stage: Stage) -> httpx.Response:
    with client(stage.gateway) as http:
        return infer(http, 1, name="empty")


@provokes("endpoint_stopped")
def endpoint_stopped(stage: Stage) -> httpx.Response:
    with client(stage.gateway) as http:
        return infer(http, 1, name="asleep")


@provokes("replica_failed")
def replica_failed(stage: Stage) -> httpx.Response:
    with client(stage.gateway) as http:
        return infer(http, 1, act=2, name="impure")


@provokes("model_failed")
def model_failed(stage: Stage) -> httpx.Response:
    with client(stage.gateway) as http:
        return infer(http, 1, act=1)


@provokes("overloaded")
def overloaded(stage: Stage) -> httpx.Response:
    return post(stage, INFER, b" " * (600 << 10))


@provokes("rate_exceeded")
def rate_exceeded(stage: Stage) -> httpx.Response:
    for _ in range(2):
        answer = post(stage, INFER, body(1), authorization="Bearer my_limited")
    return answer


@provokes("headers_too_large")
def headers_too_large(stage: Stage) -> httpx.Response:
    return post(stage, INFER, b"", x_padding="x" * 40_000)


@provokes("request_timeout")
def request_timeout(stage: Stage) -> httpx.Response:
    head = f"POST {INFER} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n"
    return _raw(stage, head.encode() + b"{")


@provokes("invalid_request")
def invalid_request(stage: Stage) -> httpx.Response:
    return _raw(stage, f"POST {INFER} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode())


@provokes("invalid_json")
def invalid_json(stage: Stage) -> httpx.Response:
    return post(stage, INFER, b'{"inputs": [')


@provokes("invalid_csv")
def invalid_csv(stage: Stage) -> httpx.Response:
    return post(stage, INVOKE, b"value,seconds\n1\n", content_type="text/csv")


@provokes("model_not_suitable")
def model_not_suitable(stage: Stage) -> httpx.Response:
    return post(stage, "/v1/embeddings", b'{"model": "echo", "input": "some text"}')


@provokes("invalid_body")
def invalid_body(stage: Stage) -> httpx.Response:
    return post(stage, INVOKE, b"\x89PNG\r\n", content_type="application/x-npy")


@provokes("not_acceptable")
def not_acceptable(stage: Stage) -> httpx.Response:
    return post(stage, INVOKE, b"[[1, 0, 0]]", accept="image/png")


@provokes("unsupported_media_type")
def unsupported_media_type(stage: Stage) -> httpx.Response:
    return post(stage, INFER, body(1), content_type="text/html")


@provokes("tensor_invalid")
def tensor_invalid(stage: Stage) -> httpx.Response:
    return send(stage, data=[1, 0])


@provokes("tensor_missing")
def tensor_missing(stage: Stage) -> httpx.Response:
    return post(stage, INFER, b'{"inputs": []}')


@provokes("tensor_shape")
def tensor_shape(stage: Stage) -> httpx.Response:
    return send(stage, shape=[1, 2], data=[1, 0])


@provokes("tensor_type")
def tensor_type(stage: Stage) -> httpx.Response:
    return send(stage, datatype="FP64")


@provokes("tensor_unknown")
def tensor_unknown(stage: Stage) -> httpx.Response:
    return send(stage, name="z")


@provokes("tensor_value")
def tensor_value(stage: Stage) -> httpx.Response:
    return send(stage, data=[None, 0, 0])


def _raw(stage: Stage, content: bytes) -> httpx.Response:
    """The answer to bytes that no HTTP client would send."""
    with socket.create_connection(("127.0.0.1", stage.gateway.port), timeout=10) as connection:
        connection.sendall(content)
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
    head, _, payload = answer.partition(b"\r\n\r\n")
    return httpx.Response(int(head.split()[1]), content=payload)
