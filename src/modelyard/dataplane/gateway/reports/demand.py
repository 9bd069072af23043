"""Writes the demand file: every second while something changes, and at once when a request finds no replica."""

import logging
import time
from collections import deque
from pathlib import Path

from modelyard.dataplane.demand import DemandWriter
from modelyard.dataplane.gateway.fleet import Endpoint, Fleet
from modelyard.dataplane.gateway.pools.demand import ARRIVAL_SECONDS
from modelyard.dataplane.gateway.pools.pool import VariantPool
from modelyard.types.planning import DemandTable, VariantDemand

_REPORT_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class DemandReporter:
    """Reports on a fleet.

    Args:
        path: the demand file; None: nothing is reported.
        fleet: what is reported on.
    """

    def __init__(self, path: Path | None, fleet: Fleet) -> None:
        self._writer = DemandWriter(path) if path is not None else None
        self._fleet = fleet
        self._histories: dict[VariantPool, _History] = {}
        self._reported: tuple[VariantDemand, ...] | None = None
        self._waking: set[VariantPool] = set()
        self._due_at = 0.0

    def tick(self) -> None:
        """Report if it is time; call it 20 times a second."""
        if self._writer is None:
            return
        now = time.monotonic()
        pools = [(endpoint, pool) for endpoint in self._fleet for pool in endpoint.pools.values()]
        waking = {pool for _, pool in pools if pool.is_waking}
        if now < self._due_at and waking <= self._waking:
            return
        self._waking = waking
        is_due = now >= self._due_at
        if is_due:
            self._due_at = now + _REPORT_SECONDS
        before = self._histories
        self._histories = {pool: before.get(pool) or _History() for _, pool in pools}
        self._write(self._writer, tuple(self._describe(*each, is_due) for each in pools))

    def close(self) -> None:
        """What was reported counts no longer."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, writer: DemandWriter, variants: tuple[VariantDemand, ...]) -> None:
        if variants == self._reported:
            return
        try:
            writer.write(DemandTable(written_at=time.time(), variants=variants))
            self._reported = variants
        except OSError as error:  # a full disk must not end inference
            _logger.warning("the demand file could not be written: %s", error)

    def _describe(self, endpoint: Endpoint, pool: VariantPool, is_new_second: bool) -> VariantDemand:
        return self._histories[pool].look(endpoint.project, pool, is_new_second=is_new_second)


class _History:
    """A variant's last seconds."""

    def __init__(self) -> None:
        self._arrivals: deque[int] = deque(maxlen=ARRIVAL_SECONDS)
        self._requests = 0
        self._last_request_at: float | None = None
        self._rows_per_request = 1.0
        self._busy_share = 0.0

    def look(self, project: str, pool: VariantPool, *, is_new_second: bool) -> VariantDemand:
        """The variant as it is now; `is_new_second`: another second is over."""
        meter = pool.demand
        if meter.requests != self._requests or pool.is_waking:
            self._last_request_at = round(time.time(), 1)
        if is_new_second:
            self._arrivals.append(meter.requests - self._requests)
            self._requests = meter.requests
            busy_seconds, rows = meter.since_last()
            self._busy_share = round(busy_seconds / _REPORT_SECONDS, 3)
            self._rows_per_request = rows or self._rows_per_request
        return VariantDemand(
            project=project,
            endpoint=pool.endpoint,
            variant=pool.name,
            model=pool.model,
            number=pool.number,
            waiting=pool.depth,
            ready_replicas=pool.ready_replicas,
            last_request_at=self._last_request_at,
            arrivals=tuple(self._arrivals),
            rows_per_request=self._rows_per_request,
            busy_share=self._busy_share,
            curve=meter.curve(),
            outcomes=pool.outcomes,
        )
