"""A model that outgrows the process that it shares gets one of its own, while callers of it and of others go on."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

import modelyard
from modelyard.testing.programs import Program, until

pytestmark = pytest.mark.slow

HOST_BYTES = 300 << 20
FLOATS_A_ROW = 1 << 16
"""A quarter of a megabyte: the memory of a batch follows from its rows."""


def save_growing(path: Path) -> Path:
    """Each row is spread over a quarter of a megabyte and summed up again."""
    nodes = [
        helper.make_node("Expand", ["x", "wide"], ["spread"]),
        helper.make_node("ReduceMean", ["spread"], ["y"], axes=[1], keepdims=1),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    wide = helper.make_tensor("wide", TensorProto.INT64, [2], [1, FLOATS_A_ROW])
    graph = helper.make_graph(nodes, "growing", inputs, outputs, [wide])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


class Caller(threading.Thread):
    """Asks an endpoint for one row again and again; counts what comes back."""

    def __init__(self, url: str, token: str, endpoint: str) -> None:
        super().__init__()
        self.statuses: Counter[int] = Counter()
        self._url, self._token, self._endpoint = url, token, endpoint
        self._is_over = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, headers={"Authorization": f"Bearer {self._token}"}, timeout=30) as http:
            while not self._is_over.wait(0.01):
                self.statuses[ask(http, self._endpoint, 1).status_code] += 1

    def end(self) -> Counter[int]:
        self._is_over.set()
        self.join()
        return self.statuses


def ask(http: httpx.Client, endpoint: str, rows: int) -> httpx.Response:
    tensor = {"name": "x", "datatype": "FP32", "shape": [rows, 1], "data": [1.0] * rows}
    return http.post(f"/v2/models/{endpoint}/infer", json={"inputs": [tensor]})


def test_a_model_that_outgrows_its_shared_process_is_moved_and_no_request_fails(
    programs: Callable[..., Program], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    environment = {"MODELYARD_SHARED_WORKER_BYTES": str(HOST_BYTES)}
    url = programs(home, "modelyard.server.up", environment=environment).start("--port", "0").ready()
    token = (home / "admin.token").read_text().strip()
    artifact = save_growing(tmp_path / "growing.onnx")
    with modelyard.Client(home=home) as client:
        for name in ("growing", "small"):
            client.models.register(name, artifact)
            client.endpoints.deploy(name, name, capture_share=0.0)

        def process_of(name: str) -> str:
            ready = [one for one in client.endpoints.get(name).replicas if one.status == "READY"]
            assert len(ready) == 1
            return str(ready[0].process)

        shared = process_of("growing")
        assert process_of("small") == shared
        callers = [Caller(url, token, name) for name in ("growing", "small")]
        for caller in callers:
            caller.start()
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
            assert ask(http, "growing", (HOST_BYTES >> 18) * 2 // 3).status_code == 200
            until(lambda: process_of("growing") != shared, "a process of its own")
            time.sleep(2)  # what was on its way has come
            page = http.get("/operations/v1/projects/default/endpoints/growing/events").json()
        counted = [caller.end() for caller in callers]
        assert process_of("small") == shared
        assert client.endpoints.get("growing").status == "READY"
    assert [set(statuses) for statuses in counted] == [{200}, {200}]
    assert all(statuses[200] > 20 for statuses in counted)
    moved = [event["message"] for event in page["items"] if event["kind"] == "replica_moved"]
    assert len(moved) == 1
    assert "has outgrown the process that it shared and gets one of its own: it takes" in moved[0]
