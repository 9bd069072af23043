"""A worker whose model gives its inputs back, of any width: whoever asks can tell whether an answer is his own.

`python -m modelyard.testing.echo_model --socket PATH [--version N]`. Inputs and outputs: "id" INT64 (-1,), "payload"
FP32 (-1, -1), "text" BYTES (-1,). One output more: "version" INT64 (-1,), the number it was started with.
"""

import argparse
import random
import time
from collections.abc import Mapping

import numpy as np

from modelyard.dataplane.model_server import ModelServer
from modelyard.runtimes.base import Ending, Parts, Predictor, Tensor, Tensors
from modelyard.testing.serving import Serving, WorkerProcess
from modelyard.types.signatures import DataType, Signature, TensorSpec

_ECHOED = (
    TensorSpec(name="id", datatype=DataType.INT64, shape=(-1,)),
    TensorSpec(name="payload", datatype=DataType.FP32, shape=(-1, -1)),
    TensorSpec(name="text", datatype=DataType.BYTES, shape=(-1,)),
)
SIGNATURE = Signature(
    inputs=_ECHOED, outputs=(*_ECHOED, TensorSpec(name="version", datatype=DataType.INT64, shape=(-1,)))
)
_SLOW_SECONDS = 0.02


class EchoPredictor(Predictor):
    """See the module. A share of the batches takes long, so that others pile up behind them."""

    def __init__(self, version: int, slow_share: float = 0.02) -> None:
        self._version = version
        self._slow_share = slow_share
        self._chance = random.Random(version)  # noqa: S311

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """See Predictor."""
        if self._chance.random() < self._slow_share:
            time.sleep(_SLOW_SECONDS)
        rows = len(inputs["id"])
        return {**inputs, "version": np.full(rows, self._version, np.int64)}

    def stream(self, inputs: Mapping[str, Tensor]) -> Parts:
        """See Predictor: of one row, the text letter by letter, the rest in each part."""
        whole = self.predict(inputs)
        if len(whole["id"]) != 1:
            yield whole
            return Ending()
        for letter in str(whole["text"][0]):
            yield {**whole, "text": np.array([letter], dtype=object)}
        return Ending()


def start_echo(serving: Serving, name: str, version: int) -> WorkerProcess:
    """A worker of this module."""
    return serving.start_worker(name, command=["-m", "modelyard.testing.echo_model", "--version", str(version)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--version", type=int, default=1)
    options = parser.parse_args()
    ModelServer(SIGNATURE, EchoPredictor(options.version), is_pure=True).run(options.socket)
