"""Tells how far a batch job is, as metrics of its log: only what is in finished shards counts."""

import time
from typing import TYPE_CHECKING

from modelyard.algorithms.base import TrainingContext
from modelyard.types.batch.metrics import EXPECTED_END, FAILED_ROWS, ROWS, ROWS_PER_SECOND, TOTAL_ROWS

if TYPE_CHECKING:
    import pyarrow as pa

_PAUSE_SECONDS = 1.0


class Progress:
    """Counts rows and those with an error. `add` and `tell` may come from another thread than `resume`, one at a time.

    Args:
        context: of the job.
        total_rows: of the input.
        error: name of the column of errors.
    """

    def __init__(self, context: TrainingContext, total_rows: int, error: str) -> None:
        self._context = context
        self._total_rows = total_rows
        self._error = error
        self._begun_at = self._told_at = time.monotonic()
        self._resumed_rows = 0
        self.rows = self.failed_rows = 0
        self.first_error = ""

    def resume(self, shard: "pa.Table") -> None:
        """Count a shard that was finished before."""
        self._count(shard)
        self._resumed_rows = self.rows

    def begin(self) -> None:
        """The model is asked from now on."""
        self._begun_at = time.monotonic()
        self.tell()

    def add(self, shard: "pa.Table") -> None:
        """Count a shard, and say so from time to time."""
        self._count(shard)
        if time.monotonic() - self._told_at > _PAUSE_SECONDS:
            self.tell()

    def tell(self) -> None:
        """Say how far it is."""
        self._told_at = time.monotonic()
        speed = (self.rows - self._resumed_rows) / max(1e-9, self._told_at - self._begun_at)
        found = {ROWS: self.rows, TOTAL_ROWS: self._total_rows, FAILED_ROWS: self.failed_rows, ROWS_PER_SECOND: speed}
        if speed > 0:
            found[EXPECTED_END] = time.time() + (self._total_rows - self.rows) / speed
        for name, value in found.items():
            self._context.log_metric(name, float(value), self.rows)

    def _count(self, shard: "pa.Table") -> None:
        errors = shard.column(self._error)
        failed = len(errors) - errors.null_count
        if failed and not self.first_error:
            self.first_error = errors.drop_null()[0].as_py()
        self.rows += shard.num_rows
        self.failed_rows += failed
