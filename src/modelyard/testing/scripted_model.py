"""A worker whose model does what its input says, to provoke what real models do seldom.

`python -m modelyard.testing.scripted_model --socket PATH [--impure] [--uncounted] [--offset N] [--hang-seconds N]`

Input "x" FP32 (-1, 3): value, seconds, act. Output "y" FP32 (-1, 2): value + offset, and how often the model was called
(0 if uncounted). It takes the longest `seconds` of the batch; an `act` of 1 raises, 2 ends the process, 3 answers NaN,
4 hangs in C code that holds Python's lock.
"""

import argparse
import json
import os
import re
import time
from collections.abc import Mapping

import httpx
import numpy as np

from modelyard.dataplane.model_server import ModelServer
from modelyard.dataplane.vitals import HANG_SECONDS
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.testing.serving import TOKEN, Serving, WorkerProcess
from modelyard.types.signatures import DataType, Signature, TensorSpec

AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 3), columns=("value", "seconds", "act")),),
    outputs=(TensorSpec(name="y", datatype=DataType.FP32, shape=(-1, 2)),),
)

_RAISES, _ENDS, _IS_NAN, _HANGS = 1, 2, 3, 4


class ScriptedPredictor(Predictor):
    """See the module."""

    def __init__(self, offset: float = 0.0, *, is_counted: bool = True) -> None:
        self._offset = offset
        self._is_counted = is_counted
        self._calls = 0

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """See Predictor."""
        x = inputs["x"]
        value, act = x[:, 0] + self._offset, x[:, 2]
        self._calls += self._is_counted
        time.sleep(float(x[:, 1].max()))
        if (act == _RAISES).any():
            raise ArithmeticError("told to fail")
        if (act == _ENDS).any():
            os._exit(9)
        if (act == _HANGS).any():
            re.fullmatch("(a+)+b", "a" * 64)  # 2**64 ways to try
        value = np.where(act == _IS_NAN, np.nan, value)
        return {"y": np.stack([value, np.full(len(x), self._calls)], axis=1).astype(np.float32)}


def start_scripted(serving: Serving, name: str, *options: str) -> WorkerProcess:
    """A worker of this module."""
    return serving.start_worker(name, command=["-m", "modelyard.testing.scripted_model", *options])


def body(value: float, seconds: float = 0.0, act: float = 0.0, rows: int = 1) -> bytes:
    """An Open Inference request for it."""
    data = [value, seconds, act] * rows
    return json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 3], "data": data}]}).encode()


def client(serving: Serving, connections: int = 100) -> httpx.Client:
    """An HTTP client with the test's token; safe to use from several threads."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.Client(base_url=serving.url, headers=AUTHORIZATION, timeout=30.0, limits=limits)


def infer(
    http: httpx.Client, value: float, seconds: float = 0.0, act: float = 0.0, name: str = "echo"
) -> httpx.Response:
    """Call endpoint `name`."""
    return http.post(f"/v2/models/{name}/infer", content=body(value, seconds, act))


def value_of(response: httpx.Response) -> float:
    """The value in an answer; the response must be one."""
    response.raise_for_status()
    return float(response.json()["outputs"][0]["data"][0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--impure", action="store_true")
    parser.add_argument("--uncounted", action="store_true")
    parser.add_argument("--offset", type=float, default=0.0)
    parser.add_argument("--hang-seconds", type=float, default=HANG_SECONDS)
    options = parser.parse_args()
    server = ModelServer(
        SIGNATURE,
        ScriptedPredictor(options.offset, is_counted=not options.uncounted),
        is_pure=not options.impure,
        nan_free=frozenset({"y"}),
        hang_seconds=options.hang_seconds,
    )
    server.run(options.socket)
