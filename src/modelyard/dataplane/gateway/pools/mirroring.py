"""Copies of answered requests for a version that is on trial: its answers are compared and thrown away.

A copy is sent only after the caller's own answer is written, and only while few copies wait: the trial takes nothing
from anybody.
"""

import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from modelyard.dataplane.gateway.dialect import InferenceCall
from modelyard.dataplane.gateway.pools.pool import VariantPool
from modelyard.dataplane.gateway.requests import PendingRequest, Served
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import ModelyardError
from modelyard.runtimes.base import numpy_dtype
from modelyard.types.signatures import DataType

_MAX_WAITING = 64
_NEAR = 0.1
"""Numbers agree if they differ by less than this share of the larger one. Labels must be equal."""

_FLOATS = (DataType.FP16, DataType.FP32, DataType.FP64)


def mirror(
    call: InferenceCall, answer: Sequence[OutputRows], served: Served, shadow: VariantPool, seconds: float
) -> None:
    """Send a copy of `call`, which `served` has answered with `answer`, to `shadow`; nothing if that is not possible.

    Args:
        call: the request.
        answer: its outputs.
        served: who gave them.
        shadow: who is on trial.
        seconds: how long the copy may take.
    """
    is_same = served.signature.inputs == shadow.signature.inputs
    if shadow is served or not is_same or not shadow.is_live or shadow.depth >= _MAX_WAITING:
        return
    now = time.monotonic()
    with suppress(ModelyardError):
        shadow.submit(PendingRequest(call, _Trial(answer, shadow), now, now + seconds))


class _Trial:
    """Takes the place of a caller."""

    traceparent = b""

    def __init__(self, answer: Sequence[OutputRows], shadow: VariantPool) -> None:
        self._answer = answer
        self._shadow = shadow

    def answered(self, _request: PendingRequest, outputs: Sequence[OutputRows], _served: Served) -> None:
        """See requests.Caller."""
        self._shadow.compared += 1
        self._shadow.differing += not agree(self._answer, outputs)

    def failed(self, _request: PendingRequest, _error: ModelyardError) -> None:
        """See requests.Caller: the pool has counted it."""


def agree(first: Sequence[OutputRows], second: Sequence[OutputRows]) -> bool:
    """True if two answers to one request say the same.

    The labels decide where there are any: a new version may well be more sure of the same label. Where an answer has
    numbers only, they must be near one another.
    """
    others = {rows.name: rows for rows in second}
    pairs = [(rows, others.get(rows.name)) for rows in first]
    if any(other is None or other.datatype is not rows.datatype for rows, other in pairs):
        return False
    labels = [(rows, other) for rows, other in pairs if rows.datatype not in _FLOATS]
    if labels:
        return all(other is not None and rows.data == other.data for rows, other in labels)
    return all(other is not None and _are_near(rows, other) for rows, other in pairs)


def _are_near(first: OutputRows, second: OutputRows) -> bool:
    if len(first.data) != len(second.data):
        return False
    dtype = numpy_dtype(first.datatype)
    one, two = (np.frombuffer(bytes(rows.data), dtype).astype(np.float64) for rows in (first, second))
    limit = _NEAR * np.maximum(np.abs(one), np.abs(two))
    return bool((np.abs(one - two) <= limit).all() or np.array_equal(one, two, equal_nan=True))
