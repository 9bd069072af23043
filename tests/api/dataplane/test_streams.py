"""WebSocket streams, by the `websockets` client."""

import json
import time
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from modelyard.testing.scripted_model import AUTHORIZATION, body, client, infer, start_scripted
from modelyard.testing.serving import Serving, endpoint, variant


def opened(serving: Serving, path: str = "/endpoints/echo/stream", **options: Any) -> ClientConnection:
    options.setdefault("additional_headers", AUTHORIZATION)
    return connect(f"ws://127.0.0.1:{serving.port}{path}", **options)


def message(request_id: str, value: float, seconds: float = 0.0) -> str:
    return json.dumps({"id": request_id, **json.loads(body(value, seconds))})


def test_each_message_is_answered_with_its_id(serving: Serving):
    with opened(serving) as stream:
        for count in range(200):
            stream.send(message(str(count), count))
        answers = [json.loads(stream.recv(timeout=20)) for _ in range(200)]
    assert {each["id"]: each["outputs"][0]["data"][0] for each in answers} == {str(n): float(n) for n in range(200)}


def test_answers_come_as_soon_as_they_are_known(start):
    serving = start()
    slow, fast = start_scripted(serving, "slow"), start_scripted(serving, "fast")
    serving.publish(endpoint("echo", variant(slow, fast)))
    with opened(serving) as stream:
        stream.send(message("slow", 1, 0.5))
        time.sleep(0.1)
        stream.send(message("fast", 2).encode())
        assert [json.loads(stream.recv(timeout=20))["id"] for _ in range(2)] == ["fast", "slow"]


def test_an_error_is_the_answer_to_one_message(serving: Serving):
    with opened(serving) as stream:
        stream.send("{")
        stream.send('{"id": "x", "inputs": []}')
        stream.send(message("y", 1))
        answers = [json.loads(stream.recv(timeout=20)) for _ in range(3)]
    by_id = {each["id"]: each for each in answers}
    assert by_id[None]["code"] == "invalid_json"
    assert (by_id["x"]["code"], by_id["x"]["hint"] != "") == ("tensor_missing", True)
    assert by_id["x"]["error"] == by_id["x"]["message"]
    assert by_id["y"]["outputs"][0]["data"][0] == 1


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/endpoints/echo/stream", {}, 401),
        ("/endpoints/echo/streams", AUTHORIZATION, 404),
        ("/endpoints/echo/invocations", AUTHORIZATION, 405),
    ],
)
def test_the_handshake_is_refused_like_any_request(serving: Serving, path: str, headers: dict[str, str], status: int):
    with pytest.raises(InvalidStatus) as refused, opened(serving, path, additional_headers=headers):
        pass
    assert refused.value.response.status_code == status


def test_an_endpoint_that_is_not_there_is_told_in_the_stream(serving: Serving):
    with opened(serving, "/endpoints/other/stream") as stream:
        stream.send(message("x", 1))
        assert json.loads(stream.recv(timeout=20))["code"] == "endpoint_not_found"


def test_a_plain_request_is_told_what_the_path_is(serving: Serving):
    answer = httpx.get(f"{serving.url}/endpoints/echo/stream", headers=AUTHORIZATION)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "WebSocket" in answer.json()["message"]


def test_a_message_over_the_limit_ends_the_stream(serving: Serving):
    # Only the head of the frame, which announces the size: nothing unread is left then that would reset the connection.
    head = b"\x81\xff" + (1 << 21).to_bytes(8, "big") + bytes(4)
    with opened(serving) as stream:
        stream.socket.sendall(head)
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(timeout=20)
    assert closed.value.rcvd.code == 1009
    with opened(serving) as stream:
        stream.send(body(1).decode())
        assert "outputs" in json.loads(stream.recv(timeout=20))


def test_a_client_that_does_not_read_is_not_read_from(serving: Serving):
    """The gateway holds a bounded number of answers for it, and serves others meanwhile."""
    large = json.dumps({"id": "x" * 200_000, **json.loads(body(1))})
    with opened(serving, max_queue=1) as stream:
        stream.socket.settimeout(1.0)
        sent = 0
        try:
            for _ in range(400):
                stream.send(large)
                sent += 1
        except (TimeoutError, ConnectionClosed):
            pass
        assert sent < 400
        with client(serving) as http:
            assert infer(http, 1).status_code == 200
        stream.socket.close()


def test_streams_end_with_the_gateway(start):
    serving = start()
    serving.publish(endpoint("echo", variant(start_scripted(serving, "echo"))))
    with opened(serving) as stream:
        stream.send(message("x", 1))
        stream.recv(timeout=20)
        serving.close()
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(timeout=20)
    assert closed.value.rcvd.code == 1012
