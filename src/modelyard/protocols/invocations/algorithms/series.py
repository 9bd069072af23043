"""Calls of models over time series, as SageMaker's DeepAR takes and answers them.

Source: Amazon SageMaker Developer Guide, "DeepAR inference formats".
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from modelyard.dataplane.errors import JsonInvalidError
from modelyard.dataplane.gateway.dialect import AnswerContext, Headers, InferenceCall, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.inputs import checked
from modelyard.protocols.invocations.algorithms.records import read_records
from modelyard.protocols.invocations.aws import with_names
from modelyard.protocols.outputs import nested_values
from modelyard.types.serving.forecasts import LEVELS, MEAN, QUANTILES, takes_series
from modelyard.types.serving.windows import last_window
from modelyard.types.signatures import DataType, Signature

_DEFAULT_LEVELS = tuple(f"{tenth / 10:.1f}" for tenth in range(1, 10))
_DEFAULT_OUTPUTS = (MEAN, QUANTILES)
_LINES = b"application/jsonlines"


class SeriesCall(InferenceCall):
    """Series; `wanted`: the parts of each answer, `levels`: its quantiles, as the caller writes them."""

    __slots__ = ("_has_lines", "_levels", "_wanted")

    def __init__(
        self,
        inputs: tuple[WireTensor, ...],
        rows: int,
        wanted: Sequence[str],
        levels: Mapping[str, int],
        *,
        has_lines: bool,
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._wanted = wanted
        self._levels = levels
        self._has_lines = has_lines

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall."""
        return with_names(self._reply(outputs), inference_id, context)

    def _reply(self, outputs: Sequence[OutputRows]) -> Reply:
        values = {tensor.name: nested_values(tensor) for tensor in outputs}
        found = []
        for mean, quantiles in zip(values[MEAN], values[QUANTILES], strict=True):
            parts = {MEAN: mean, QUANTILES: {name: quantiles[index] for name, index in self._levels.items()}}
            found.append({name: parts[name] for name in self._wanted})
        if self._has_lines:
            return Reply(_LINES, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in found))
        return Reply(b"application/json", orjson.dumps({"predictions": found}))


def parse_series(body: bytes, headers: Headers, signature: Signature) -> SeriesCall | None:
    """The call of a body; None if the model takes no series, or the body is of another form.

    Raises:
        InvalidInputError: what is wrong, and what to send instead.
    """
    records = read_records(body, headers) if takes_series(signature) else None
    if records is None or not all(isinstance(each, dict) for each in records.instances):
        return None
    (spec,) = signature.inputs
    windows = np.stack([last_window(_target(each), spec.shape[1]) for each in records.instances])
    tensor = WireTensor(spec.name, DataType.FP32, windows.shape, windows.astype(np.float32).tobytes())
    wanted = _outputs(records.configuration)
    levels = _levels(records.configuration)
    return SeriesCall(*checked(signature, [tensor]), wanted, levels, has_lines=records.has_lines)


def _target(instance: Mapping[str, Any]) -> list[float]:
    """The values of a series; null and "NaN" are missing ones."""
    given = instance.get("target")
    if not isinstance(given, list) or not given:
        raise _no_series()
    try:
        values = [math.nan if value is None else float(value) for value in given]
    except (TypeError, ValueError):
        raise _no_series() from None
    if any(math.isinf(value) for value in values):
        raise _no_series()
    return values


def _outputs(configuration: Mapping[str, Any]) -> Sequence[str]:
    given = configuration.get("output_types", list(_DEFAULT_OUTPUTS))
    if not isinstance(given, list) or not given or not all(name in _DEFAULT_OUTPUTS for name in given):
        raise JsonInvalidError(
            f"'output_types' names something else than {' and '.join(_DEFAULT_OUTPUTS)}",
            hint="Ask for quantiles in place of samples.",
            field="configuration.output_types",
        )
    return given


def _levels(configuration: Mapping[str, Any]) -> dict[str, int]:
    """Quantile, as the caller writes it -> its place in LEVELS."""
    given = configuration.get("quantiles", list(_DEFAULT_LEVELS))
    try:
        return {str(level): LEVELS.index(round(float(level), 2)) for level in given}
    except (TypeError, ValueError):
        raise JsonInvalidError(
            "'quantiles' holds something else than numbers between 0.01 and 0.99",
            hint='Send a list like ["0.1", "0.5", "0.9"], in hundredths.',
            field="configuration.quantiles",
        ) from None


def _no_series() -> JsonInvalidError:
    return JsonInvalidError(
        "an instance has no target, a list of numbers that is not empty",
        hint='Send {"instances": [{"start": "2026-01-01 00:00:00", "target": [1.0, 2.5]}]}.',
        field="instances",
    )
