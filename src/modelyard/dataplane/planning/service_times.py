"""Service times of batches of every size, out of the few sizes that were measured."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from modelyard.dataplane.gateway.pools.batching import best_rows
from modelyard.types.planning import QUANTILES, ServicePoint

TABLE_SIZE = 512
"""Into how many equally likely times a distribution is cut."""

_SHARES = (np.arange(TABLE_SIZE) + 0.5) / TABLE_SIZE


class ServiceTimes:
    """A service-time curve, readable at every number of rows.

    Between two measured sizes the whole distribution is interpolated; above the largest, a batch takes as much longer
    as it is larger; below the smallest, as long as the smallest.

    Args:
        curve: at least one point, by growing number of rows.
    """

    def __init__(self, curve: Sequence[ServicePoint]) -> None:
        self._rows = [point.rows for point in curve]
        self._tables = [_table(point) for point in curve]
        self._known: dict[int, list[float]] = {}

    def table(self, rows: int) -> list[float]:
        """TABLE_SIZE equally likely times in seconds of a batch of `rows` rows, growing."""
        found = self._known.get(rows)
        if found is None:
            found = self._known[rows] = self._make(rows).tolist()
        return found

    def mean(self, rows: int) -> float:
        """Mean seconds of a batch."""
        return sum(self.table(rows)) / TABLE_SIZE

    def capacity(self, max_rows: int) -> float:
        """The most rows a second that one replica answers with batches of up to `max_rows`."""
        sizes = {1, max_rows, *(round(rows) for rows in self._rows if 1 <= rows <= max_rows)}
        return max(size / self.mean(size) for size in sizes)

    def best_rows(self, max_rows: int) -> int:
        """The size at which the gateway's batches settle, up to `max_rows`."""
        sizes = [1 << k for k in range(max_rows.bit_length())]
        return best_rows({size: self.mean(size) / size for size in sizes})

    def _make(self, rows: int) -> np.ndarray:
        above = bisect_left(self._rows, rows)
        if above == len(self._rows):
            return self._tables[-1] * (rows / self._rows[-1])
        if above == 0:
            return self._tables[0]
        low, high = self._rows[above - 1], self._rows[above]
        share = (rows - low) / (high - low)
        return self._tables[above - 1] * (1 - share) + self._tables[above] * share


def _table(point: ServicePoint) -> np.ndarray:
    """The distribution between its quantiles, with the measured mean.

    Above the last quantile but one, a straight line to the longest time would make of one batch in hundreds that the
    machine held up one in a hundred, and of all others, for the sake of the mean, quicker ones. So the longest stands
    for itself, and the mean says how long the rest of the last ones took.
    """
    times: np.ndarray = np.interp(_SHARES, QUANTILES, point.quantiles_seconds)
    *_, low, high = point.quantiles_seconds
    last = QUANTILES[-2] <= _SHARES
    others = last.sum() - 1
    mean = (point.mean_seconds * TABLE_SIZE - times[~last].sum() - high) / others
    times[last] = [*np.linspace(low, min(high, max(low, 2 * mean - low)), others), high]
    times *= point.mean_seconds / times.mean()
    return times
