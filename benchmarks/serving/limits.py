"""What the models cost in this process, without any server: the other end of the scale."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import joblib
import numpy as np
import onnxruntime
from benchmarks.serving import models

_SECONDS = 0.3
_REPETITIONS = 3


def measure(model: str, rows: int) -> dict[str, float]:
    """Calls a second on one thread, from CPU time so that a busy neighbour hardly matters: {"onnx": ..., ...}."""
    sample = models.sample(model)
    batch = np.asarray(sample.take(0, rows), np.float32).reshape(rows, *sample.shape)
    found = {"onnx": _rate(_session(model), batch)}
    estimator = models.artifact(model, 1, "joblib")
    if estimator.exists():
        found["estimator"] = _rate(joblib.load(estimator).predict, batch)
    return found


def _session(model: str) -> Callable[[np.ndarray], Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(models.artifact(model, 1, "onnx")), options)
    name = session.get_inputs()[0].name
    return lambda rows: session.run(None, {name: rows})


def _rate(predict: Callable[[np.ndarray], Any], batch: np.ndarray) -> float:
    predict(batch)
    return median(_rate_once(predict, batch) for _ in range(_REPETITIONS))


def _rate_once(predict: Callable[[np.ndarray], Any], batch: np.ndarray) -> float:
    calls, cpu, deadline = 0, time.process_time(), time.perf_counter() + _SECONDS
    while time.perf_counter() < deadline:
        predict(batch)
        calls += 1
    return calls / (time.process_time() - cpu)
