"""The gateway's queue as a simulation of events, with its own rules of batching.

Formulas (M/G/1, M/M/c) cover neither batches that grow with what waits, nor a replica that holds a second batch while
it works on the first, nor service times of any distribution. The simulation covers all three, takes about 10 us a
request, and agrees with the formulas where they hold. How large a batch may become and whether it is sent ahead is
asked of the gateway's own BatchSizer, which learns from the simulated batches as it does from real ones.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from modelyard.dataplane.gateway.pools.batching import BatchSizer
from modelyard.dataplane.planning.service_times import TABLE_SIZE, ServiceTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How the gateway forms batches: see `gateway.config.Limits`."""

    max_requests: int = 64
    max_rows: int = 256
    in_flight: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened to the requests of a simulation.

    Attributes:
        latencies: seconds from arrival to answer, in order of arrival, shape (n,).
        busy_share: of the time until the last answer, the share that a replica worked.
        batches: how many batches the requests made.
    """

    latencies: np.ndarray
    busy_share: float
    batches: int


def poisson_arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Times in seconds of `count` requests that come independently of each other."""
    times: list[float] = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count)).tolist()
    return times


def simulate(
    times: ServiceTimes,
    arrivals: Sequence[float],
    *,
    replicas: int,
    rows_per_request: float = 1.0,
    batching: Batching | None = None,
    wake_seconds: float = 0.0,
    seed: int = 0,
) -> Outcome:
    """Answer requests that arrive at `arrivals` (growing). The same arguments give the same outcome.

    A batch takes `wake_seconds` longer when its replica had nothing to do before: it was asleep, its caches cold.
    """
    queue = _Queue(times, arrivals, replicas, rows_per_request, batching or Batching(), wake_seconds, seed)
    return queue.run()


class _Queue:
    """One run. A batch is a range of arrivals, because requests are answered in the order in which they came."""

    def __init__(
        self,
        times: ServiceTimes,
        arrivals: Sequence[float],
        replicas: int,
        rows_per_request: float,
        batching: Batching,
        wake_seconds: float,
        seed: int,
    ) -> None:
        self._times = times
        self._arrivals = arrivals
        self._rows_per_request = rows_per_request
        self._batching = batching
        self._sizer = BatchSizer(batching.max_rows)
        self._wake_seconds = wake_seconds
        self._draws = np.random.default_rng(seed + 1).integers(0, TABLE_SIZE, len(arrivals)).tolist()
        self._held: list[deque[tuple[int, int]]] = [deque() for _ in range(replicas)]
        self._ends: list[tuple[float, int, int, int]] = []  # a heap: end, replica, rows and microseconds of a batch
        self._idle_since = [-math.inf] * replicas
        self._arrived = self._sent = 0
        self._busy_seconds = 0.0
        self._batches = 0

    def run(self) -> Outcome:
        arrivals, ends = self._arrivals, self._ends
        latencies = [0.0] * len(arrivals)
        now = 0.0
        while self._arrived < len(arrivals) or ends:
            if self._arrived < len(arrivals) and (not ends or arrivals[self._arrived] <= ends[0][0]):
                now = arrivals[self._arrived]
                self._arrived += 1
            else:
                now, replica, rows, service_us = heappop(ends)
                self._sizer.observe(rows, service_us)
                first, end = self._held[replica].popleft()
                for index in range(first, end):
                    latencies[index] = now - arrivals[index]
                self._idle_since[replica] = now
                if self._held[replica]:
                    self._begin(replica, now)
            self._send(now)
        busy_share = self._busy_seconds / (now * len(self._held)) if now else 0.0
        return Outcome(latencies=np.array(latencies), busy_share=busy_share, batches=self._batches)

    def _send(self, now: float) -> None:
        """Give what waits to the replicas that hold the least, in equal shares, as long as one may hold more."""
        while self._sent < self._arrived:
            counts = [len(held) for held in self._held]
            fewest = min(counts)
            waiting = self._arrived - self._sent
            if fewest >= self._batching.in_flight or (fewest and self._is_better_held(waiting)):
                return
            replica, idle = counts.index(fewest), counts.count(fewest)
            held = self._held[replica]
            end = self._sent + min(-(-waiting // idle), self._most())
            held.append((self._sent, end))
            self._sent = end
            if len(held) == 1:
                self._begin(replica, now)

    def _is_better_held(self, waiting: int) -> bool:
        """Behind a batch that every replica is at: see BatchSizer."""
        return waiting < self._batching.max_requests and self._sizer.is_better_held(self._rows(waiting))

    def _most(self) -> int:
        """Requests that the next batch may have."""
        return max(1, min(self._batching.max_requests, int(self._sizer.rows() / self._rows_per_request)))

    def _rows(self, requests: int) -> int:
        return max(1, round(requests * self._rows_per_request))

    def _begin(self, replica: int, now: float) -> None:
        first, end = self._held[replica][0]
        rows = self._rows(end - first)
        service_seconds = self._times.table(rows)[self._draws[self._batches]]
        has_slept = now > self._idle_since[replica]
        seconds = service_seconds + (self._wake_seconds if has_slept else 0.0)
        self._batches += 1
        self._busy_seconds += seconds
        heappush(self._ends, (now + seconds, replica, rows, round(service_seconds * 1e6)))
