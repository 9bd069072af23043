"""What one variant was asked for and what its batches took: counters on the hot path, figures when asked."""

from collections import deque

from modelyard.types.planning import QUANTILES, ServiceCurve, ServicePoint

ARRIVAL_SECONDS = 30
"""For how many seconds arrivals are told one by one."""

_KEPT_TIMES = 128
_MAX_SIZES = 16  # powers of two up to 32,768 rows


class DemandMeter:
    """Counts. A request costs it one addition, a batch 1 us.

    Attributes:
        requests: taken since the gateway started.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._busy_seconds = 0.0
        self._requests_served = self._rows_served = 0
        self._times: list[deque[tuple[int, float]] | None] = [None] * _MAX_SIZES
        self._curve: ServiceCurve = ()
        self._has_news = False
        self._last = (0, 0, 0.0)

    def served(self, requests: int, rows: int, seconds: float) -> None:
        """A replica was occupied by a batch."""
        self._busy_seconds += seconds
        self._requests_served += requests
        self._rows_served += rows
        size = min(max(rows, 1).bit_length(), _MAX_SIZES) - 1
        times = self._times[size]
        if times is None:
            times = self._times[size] = deque(maxlen=_KEPT_TIMES)
        times.append((rows, seconds))
        self._has_news = True

    def streamed(self, requests: int, rows: int, seconds: float) -> None:
        """A replica was occupied by a part of an answer, or by the end of so many: they have no place in the curve."""
        self._busy_seconds += seconds
        self._requests_served += requests
        self._rows_served += rows

    def since_last(self) -> tuple[float, float]:
        """Busy seconds and mean rows of a request since the last call; the mean is 0 if none was served."""
        requests, rows, busy = self._last
        self._last = (self._requests_served, self._rows_served, self._busy_seconds)
        served = self._requests_served - requests
        return self._busy_seconds - busy, (self._rows_served - rows) / served if served else 0.0

    def curve(self) -> ServiceCurve:
        """Service times by size of batch, powers of two together."""
        if self._has_news:
            self._curve = tuple(service_point(list(times)) for times in self._times if times)
            self._has_news = False
        return self._curve


def service_point(measured: list[tuple[int, float]]) -> ServicePoint:
    """(rows, seconds) of at least one batch as a point of a curve."""
    times = sorted(seconds for _, seconds in measured)
    last = len(times) - 1
    return ServicePoint(
        rows=sum(rows for rows, _ in measured) / len(measured),
        batches=len(measured),
        mean_seconds=sum(times) / len(times),
        quantiles_seconds=tuple(between(times, share * last) for share in QUANTILES),
    )


def between(times: list[float], position: float) -> float:
    """The time at a place between two of the sorted `times`."""
    low = int(position)
    high = min(low + 1, len(times) - 1)
    return times[low] + (times[high] - times[low]) * (position - low)
