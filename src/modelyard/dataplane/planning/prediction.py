"""p50, p99 and capacity of a number of replicas, and the smallest number that meets an objective."""

from collections.abc import Sequence

import numpy as np

from modelyard.dataplane.planning.service_times import ServiceTimes
from modelyard.dataplane.planning.simulation import Batching, poisson_arrivals, simulate
from modelyard.types.planning import Prediction, ServicePoint

GATEWAY_REQUESTS_PER_SECOND = 20_000.0
"""What one gateway passes on, whatever the model: 40 us of one core for a request (benchmarks/serving)."""
_WARM_UP_SHARE = 0.1  # of the requests find the queue emptier than it is in the long run
_SEED = 20_177


class Predictor:
    """Predicts for one curve.

    Args:
        curve: at least one point.
        rows_per_request: on average.
        batching: the gateway's rules.
        wake_seconds: what a batch takes longer when its replica had nothing to do before.
        requests: how many are simulated. The p99 of few varies: of 1,600 at load 0.8 by a factor of two.
    """

    def __init__(
        self,
        curve: Sequence[ServicePoint],
        *,
        rows_per_request: float = 1.0,
        batching: Batching | None = None,
        wake_seconds: float = 0.0,
        requests: int = 40_000,
    ) -> None:
        self._times = ServiceTimes(curve)
        self._rows_per_request = rows_per_request
        self._batching = batching or Batching()
        self._best_rows = self._times.best_rows(self._batching.max_rows)
        self._wake_seconds = wake_seconds
        self._requests = requests

    def capacity(self, replicas: int) -> float:
        """The most requests a second."""
        most = max(1, min(self._best_rows, round(self._batching.max_requests * self._rows_per_request)))
        of_the_model = replicas * self._times.capacity(most) / self._rows_per_request
        return min(of_the_model, GATEWAY_REQUESTS_PER_SECOND)

    def predict(self, requests_per_second: float, replicas: int) -> Prediction:
        """What is to be expected."""
        capacity = self.capacity(replicas)
        if requests_per_second >= capacity:
            return Prediction(
                replicas=replicas,
                requests_per_second=requests_per_second,
                p50_ms=None,
                p99_ms=None,
                utilisation=1.0,
                mean_batch=float(self._batching.max_requests),
                capacity=capacity,
            )
        outcome = simulate(
            self._times,
            poisson_arrivals(requests_per_second, self._requests, _SEED),
            replicas=replicas,
            rows_per_request=self._rows_per_request,
            batching=self._batching,
            wake_seconds=self._wake_seconds,
            seed=_SEED,
        )
        p50, p99 = np.quantile(outcome.latencies[int(self._requests * _WARM_UP_SHARE) :], [0.5, 0.99])
        return Prediction(
            replicas=replicas,
            requests_per_second=requests_per_second,
            p50_ms=float(p50) * 1000,
            p99_ms=float(p99) * 1000,
            utilisation=min(1.0, outcome.busy_share),
            mean_batch=self._requests / outcome.batches,
            capacity=capacity,
        )

    def recommend(self, requests_per_second: float, p99_ms: float | None, *, most: int) -> Prediction:
        """The smallest number of replicas, up to `most`, that meets the objective; without one: that keeps up.

        If none does, what `most` replicas would give: compare its `p99_ms`.
        """
        low, high = 1, most
        while low < high:  # more replicas never make it slower
            middle = (low + high) // 2
            if self._is_met(requests_per_second, p99_ms, middle):
                high = middle
            else:
                low = middle + 1
        return self.predict(requests_per_second, low)

    def _is_met(self, requests_per_second: float, p99_ms: float | None, replicas: int) -> bool:
        if p99_ms is None:
            return requests_per_second <= self.capacity(replicas) * MAXIMUM_LOAD
        found = self.predict(requests_per_second, replicas).p99_ms
        return found is not None and found <= p99_ms


MAXIMUM_LOAD = 2 / 3
"""Share of the capacity that is used without an objective: a third is left for growth while a replica starts."""
