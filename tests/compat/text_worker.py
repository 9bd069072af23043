"""A worker whose model takes text: `--kind embed|shout|talk|number --socket PATH`."""

import argparse
from collections.abc import Mapping

import numpy as np

from modelyard.dataplane.model_server import ModelServer
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.types.signatures import DataType, Signature, TensorSpec

TEXT = TensorSpec(name="text", datatype=DataType.BYTES, shape=(-1,))
ANSWER = TensorSpec(name="answer", datatype=DataType.BYTES, shape=(-1, 1))
SIGNATURES = {
    "embed": Signature(inputs=(TEXT,), outputs=(TensorSpec(name="v", datatype=DataType.FP32, shape=(-1, 2)),)),
    "shout": Signature(inputs=(TEXT,), outputs=(ANSWER,)),
    "talk": Signature(inputs=(TensorSpec(name="messages", datatype=DataType.BYTES, shape=(-1, 1)),), outputs=(ANSWER,)),
    "number": Signature(
        inputs=(TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 1)),),
        outputs=(TensorSpec(name="v", datatype=DataType.FP32, shape=(-1, 2)),),
    ),
}


class TextPredictor(Predictor):
    """Characters and bytes of each text; the text in capitals; the text itself."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        texts = next(iter(inputs.values())).reshape(-1).tolist()
        if self._kind == "embed":
            return {"v": np.array([[len(text), len(text.encode())] for text in texts], np.float32)}
        answers = [text.upper() if self._kind == "shout" else text for text in texts]
        return {"answer": np.array(answers, object).reshape(-1, 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=SIGNATURES, required=True)
    parser.add_argument("--socket", required=True)
    options = parser.parse_args()
    ModelServer(SIGNATURES[options.kind], TextPredictor(options.kind), is_pure=True).run(options.socket)
