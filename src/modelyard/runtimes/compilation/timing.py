"""How long a model takes for a batch, on a machine that does other things too."""

import platform
import time
from pathlib import Path

import numpy as np

from modelyard.runtimes.base import Predictor, Tensors
from modelyard.types.compilation import Timing
from modelyard.types.signatures import Signature

BATCHES = (1, 8, 64)
_ROUNDS = 9
_ROUND_SECONDS = 0.002
_MOST_SECONDS = 0.4
"""Of one batch size; a model slower than this per request is asked twice."""


def time_batches(predictor: Predictor, signature: Signature, inputs: Tensors) -> tuple[Timing, ...]:
    """The time of a request of each batch size; `inputs` must be rows that the model answers.

    A model whose signature fixes the batch is measured at that one alone.

    Raises:
        PredictionFailedError: the model does not answer them.
    """
    fixed = next((spec.shape[0] for spec in signature.inputs if spec.shape and spec.shape[0] > 0), None)
    return tuple(
        Timing(batch=batch, microseconds=_microseconds(predictor, _resized(inputs, batch)))
        for batch in (BATCHES if fixed is None else (fixed,))
    )


def machine() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model name")))
    return next(names, "") or platform.processor() or platform.machine()


def _resized(inputs: Tensors, rows: int) -> Tensors:
    return {name: array[np.arange(rows) % len(array)] for name, array in inputs.items()}


def _microseconds(predictor: Predictor, batch: Tensors) -> float:
    """The fastest of a few rounds of calls: whatever disturbs a round can only make it slower."""
    predictor.predict(batch)  # what is set up by the first call is not the model's speed
    start = time.perf_counter()
    predictor.predict(batch)
    single = time.perf_counter() - start
    calls = max(1, round(_ROUND_SECONDS / max(single, 1e-7)))
    best, deadline = single, start + _MOST_SECONDS
    for _ in range(_ROUNDS):
        if time.perf_counter() + calls * single > deadline:
            break
        begin = time.perf_counter()
        for _ in range(calls):
            predictor.predict(batch)
        best = min(best, (time.perf_counter() - begin) / calls)
    return round(best * 1e6, 1)
