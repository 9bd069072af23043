"""Asks a model about a batch of rows; where it fails, halves of the batch, until only the rows at fault are left."""

import time
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.batch.cells import Faults
from modelyard.errors import ModelyardError
from modelyard.runtimes.base import PredictionFailedError, Predictor, Tensor, Tensors

ROWS_AT_ONCE = 4096
_LONG_SECONDS = 2.0
_SHOWN = 300

Rows = NDArray[np.intp]


class BatchPredictor:
    """Answers batches of any size. Asks for fewer rows at once if the model takes seconds for them."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._rows_at_once = ROWS_AT_ONCE

    def answer(self, inputs: Mapping[str, Tensor], rows: int, faults: Faults) -> list[tuple[Rows, Tensors]]:
        """Numbers of rows with their outputs; rows that the model fails on are added to `faults`."""
        wanted = np.arange(rows)
        if faults:
            wanted = np.delete(wanted, sorted(faults))
        answers: list[tuple[Rows, Tensors]] = []
        start = 0
        while start < len(wanted):
            part = wanted[start : start + self._rows_at_once]
            chosen = slice(int(part[0]), int(part[-1]) + 1) if part[-1] - part[0] + 1 == len(part) else part
            begin = time.perf_counter()
            answers += self._ask({name: tensor[chosen] for name, tensor in inputs.items()}, part, faults)
            start += len(part)
            if time.perf_counter() - begin > _LONG_SECONDS and self._rows_at_once > 1:
                self._rows_at_once //= 2
        return answers

    def _ask(self, inputs: Mapping[str, Tensor], rows: Rows, faults: Faults) -> Iterator[tuple[Rows, Tensors]]:
        try:
            outputs = self._predictor.predict(inputs)
            _check_rows(outputs, len(rows))
        except Exception as error:  # noqa: BLE001 - models raise what they like, and it is this row's fault alone
            if len(rows) == 1:
                faults[int(rows[0])] = _reason(error)
                return
            middle = len(rows) // 2
            for half in (slice(0, middle), slice(middle, None)):
                yield from self._ask({name: tensor[half] for name, tensor in inputs.items()}, rows[half], faults)
        else:
            yield rows, outputs


def _check_rows(outputs: Tensors, rows: int) -> None:
    for name, tensor in outputs.items():
        if not tensor.ndim or len(tensor) != rows:
            raise PredictionFailedError(ValueError(f"output '{name}' does not have {rows} rows"))


def _reason(error: Exception) -> str:
    known = error if isinstance(error, ModelyardError) else PredictionFailedError(error)
    return f"{known.code}: {known.message}"[:_SHOWN]
