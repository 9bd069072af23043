"""A worker whose model does what its input says: run with --socket PATH [--impure] [--offset N].

Input "x" FP32 (-1, 3): columns value, seconds, act. Output "y" FP32 (-1, 2): value + offset, and how many calls of the
model there were. It takes the longest `seconds` of the batch; an `act` of 1 raises, 2 ends the process.
"""

import argparse
import os
import time
from collections.abc import Mapping

import numpy as np

from modelyard.dataplane.model_server import ModelServer
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.types.signatures import DataType, Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 3), columns=("value", "seconds", "act")),),
    outputs=(TensorSpec(name="y", datatype=DataType.FP32, shape=(-1, 2)),),
)


class ScriptedPredictor(Predictor):
    def __init__(self, offset: float) -> None:
        self._offset = offset
        self._calls = 0

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        x = inputs["x"]
        self._calls += 1
        time.sleep(float(x[:, 1].max()))
        if (x[:, 2] == 1).any():
            raise ArithmeticError("told to fail")
        if (x[:, 2] == 2).any():
            os._exit(9)
        return {"y": np.stack([x[:, 0] + self._offset, np.full(len(x), self._calls)], axis=1).astype(np.float32)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--impure", action="store_true")
    parser.add_argument("--offset", type=float, default=0.0)
    options = parser.parse_args()
    ModelServer(SIGNATURE, ScriptedPredictor(options.offset), is_pure=not options.impure).run(options.socket)
