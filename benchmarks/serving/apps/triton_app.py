"""Triton through PyTriton, with Triton's dynamic batcher. Usage: triton_app.py PORT (takes three of them)"""

import sys

import numpy as np
import predictor
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

predict_rows = predictor.load()


@batch
def infer(x):
    return {"predict": np.asarray(predict_rows(x)).astype(np.int64).reshape(-1, 1)}


if __name__ == "__main__":
    port = int(sys.argv[1])
    places = TritonConfig(
        http_address="127.0.0.1", http_port=port, grpc_port=port + 1, metrics_port=port + 2, allow_gpu_metrics=False
    )
    with Triton(config=places) as triton:
        triton.bind(
            model_name="model",
            infer_func=infer,
            inputs=[Tensor(name="x", dtype=np.float32, shape=predictor.SHAPE)],
            outputs=[Tensor(name="predict", dtype=np.int64, shape=(1,))],
            config=ModelConfig(max_batch_size=256, batcher=DynamicBatcher()),
        )
        triton.serve()
