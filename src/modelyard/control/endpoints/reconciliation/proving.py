"""Golden requests and warm-up: what a worker has to answer before it gets traffic."""

import time

from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.gateway.config import Limits
from modelyard.runtimes.golden import mismatches, widened
from modelyard.types.tensors import GoldenSet


def prove(address: str, golden: GoldenSet, *, timeout_seconds: float, warm_seconds: float) -> list[str]:
    """What the worker answers otherwise than it must, in sentences; empty if it is proven and warm.

    The golden requests come first, by one row and by several, then as many of their rows as the gateway puts in one
    batch: frameworks plan and allocate at the first call of a size, and the first caller should not wait for that.

    Args:
        address: the worker's socket.
        golden: what it must answer.
        timeout_seconds: longest wait for one answer.
        warm_seconds: no batch is sent that is expected to take longer.

    Raises:
        ModelyardError: the worker does not answer.
    """
    with WorkerClient(address, timeout_seconds) as client:
        wrong = mismatches(golden, client.infer)
        if wrong or not golden.requests:  # a model of bodies may have none: it has loaded and answered the greeting
            return wrong
        started = time.monotonic()
        mismatches(golden, client.infer)  # again, because the first time was slow
        seconds_per_row = (time.monotonic() - started) / sum(_rows_of(golden))
        rows = min(Limits().max_batch_rows, int(warm_seconds / max(seconds_per_row, 1e-9)))
        batch = widened(golden, rows) if rows > max(_rows_of(golden)) else None
        if batch is None:
            return []
        wrong = mismatches(GoldenSet(requests=(batch,)), client.infer)
        return [words.replace("golden request 0", f"its golden rows in a batch of {rows}", 1) for words in wrong]


def _rows_of(golden: GoldenSet) -> list[int]:
    shapes = [request.inputs[0].shape if request.inputs else () for request in golden.requests]
    return [max(1, shape[0]) if shape else 1 for shape in shapes]
