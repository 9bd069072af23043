"""The model for servers that are programs of one's own: a scikit-learn file, or an ONNX file through ONNX Runtime."""

import os
import pathlib

import numpy as np

SHAPE = tuple(int(size) for size in os.environ["MODEL_SHAPE"].split(","))


def load(file=None):
    """A function from rows (n, *SHAPE) to labels (n,), on one thread."""
    file = file or os.environ["MODEL_FILE"]
    if pathlib.Path(file).suffix == ".joblib":
        import joblib  # noqa: PLC0415 - not every peer needs both

        return joblib.load(file).predict
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name
    return lambda rows: session.run([output], {name: np.asarray(rows, np.float32)})[0]
