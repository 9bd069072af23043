"""The same over TLS, with two gateways at the port."""

import json
import ssl
import time
from pathlib import Path

import grpc
import httpx
import pytest
from websockets.sync.client import connect

from modelyard.dataplane.gateway.config import Limits
from modelyard.protocols.open_inference.grpc.messages import MESSAGES, SERVICE
from modelyard.testing.scripted_model import AUTHORIZATION, body, infer, start_scripted, value_of
from modelyard.testing.serving import Serving, endpoint, variant


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, tls_files):
    with Serving(tmp_path_factory.mktemp("tls"), Limits(max_request_bytes=1 << 20, hold_seconds=0.5)) as serving:
        worker = start_scripted(serving, "w")
        tls = {"tls_certificate": tls_files.certificate, "tls_key": tls_files.key}
        serving.start_gateways(2, host="0.0.0.0", grpc_port=0, **tls)
        serving.authority = tls_files.authority
        serving.publish(endpoint("echo", variant(worker)))
        yield serving


def client(serving: Serving) -> httpx.Client:
    context = ssl.create_default_context(cafile=serving.authority)
    return httpx.Client(base_url=f"https://127.0.0.1:{serving.port}", headers=AUTHORIZATION, verify=context, timeout=20)


def test_models_are_called_and_large_bodies_pass(secure: Serving):
    assert secure.url == f"https://localhost:{secure.port}"  # 0.0.0.0 is no address that a client could call
    with client(secure) as http:
        assert [value_of(infer(http, value)) for value in range(20)] == list(range(20))
        many = http.post("/v2/models/echo/infer", content=body(3, rows=5000))
        assert many.json()["outputs"][0]["data"][::2] == [3] * 5000
        assert http.get("/registry/v1/projects").status_code == 503


def test_a_body_over_the_limit_is_refused(secure: Serving):
    with client(secure) as http:
        refused = http.post("/v2/models/echo/infer", content=b" " * (1 << 20) + b" ")
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def test_a_stream_is_as_secure(secure: Serving):
    context = ssl.create_default_context(cafile=secure.authority)
    address = f"wss://localhost:{secure.port}/endpoints/echo/stream"
    with connect(address, additional_headers=AUTHORIZATION, ssl=context) as stream:
        for value in range(5):
            stream.send(body(value))
            assert json.loads(stream.recv(timeout=20))["outputs"][0]["data"][0] == value


def test_grpc_is_as_secure(secure: Serving):
    authority = Path(secure.authority).read_bytes()
    metadata = (("authorization", AUTHORIZATION["Authorization"]),)
    with grpc.secure_channel(f"localhost:{secure.grpc_port}", grpc.ssl_channel_credentials(authority)) as channel:
        call = channel.unary_unary(f"/{SERVICE}/ServerMetadata")
        assert (
            MESSAGES["ServerMetadataResponse"].FromString(call(b"", metadata=metadata, timeout=20)).name == "modelyard"
        )
    with grpc.insecure_channel(f"localhost:{secure.grpc_port}") as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary(f"/{SERVICE}/ServerLive")(b"", timeout=2)


def test_plain_http_is_not_answered(secure: Serving):
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{secure.port}/v2/health/live")


def test_the_gateway_refuses_to_send_tokens_in_clear_text(tmp_path: Path):
    import subprocess
    import sys

    config = dict.fromkeys(("control_socket", "routing", "spool", "address_file"), "x") | {"host": "0.0.0.0"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "modelyard.server.gateway", "--config", str(path)]
    started = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "clear text" in ended.stderr
    assert time.monotonic() - started < 30
