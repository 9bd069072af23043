"""How many rows of a model travel together: learnt from what its batches took, kept under a latency objective."""

import math
from collections.abc import Mapping

_OVERHEAD_US = 30.0
"""What a batch costs beside the model, on both sides of the socket; measured at 25 to 40."""
_TOLERANCE = 1.1
"""A smaller batch is preferred while its rows cost at most this much more: the first of them wait for less."""
_DRIFT = 1.02
"""A floor rises by this with each slower batch, so that a model that became slower is believed after a while."""
_TRIAL_EVERY = 64
_LEARN_EVERY = 8
"""Slower batches after which the rest is worked out again: it takes 7 us, and floors rise slowly."""
_EVIDENCE = 3
"""Batches before anybody is refused for what one row takes: the first may be slow because it is the first."""
_HANDOVER_US = 200.0
"""What a replica idles between an answer and the next batch, if that was not sent ahead of time."""
_OBJECTIVE_SHARE = 1 / 3
"""A request waits for the batch before its own, then for its own, and for its turn in both."""


class BatchSizer:
    """The cost curve of one variant and the batch size that follows from it.

    A batch of n rows is of class k where 2^k is the first power of two that is at least n. Each class keeps the least
    that a row of it took lately: on a busy machine the least is the model's share, the rest is the neighbours'.

    Args:
        max_rows: never more than this.
        objective_seconds: time in which an answer should come (None: none was set).

    Attributes:
        row_floor_seconds: the least time that one replica needs for a row; 0 while too little is known.
        call_us: what a batch costs however many rows it has; infinite while nothing is known.
    """

    def __init__(self, max_rows: int, objective_seconds: float | None = None) -> None:
        self.objective_seconds = objective_seconds
        self._max_rows = max_rows
        self._floors: list[float] = [0.0] * (_class_of(max_rows) + 1)  # us a row; 0: not measured
        self._best = max_rows
        self._trials = self._seen = self._unlearnt = 0
        self.row_floor_seconds = 0.0
        self.call_us = math.inf

    def observe(self, rows: int, service_us: int) -> None:
        """A batch of `rows` rows took the model so long."""
        size = _class_of(min(rows, self._max_rows))
        cost = max(service_us, 1) / rows
        floor = self._floors[size]
        self._floors[size] = min(cost, floor * _DRIFT) if floor else cost
        self._seen += 1
        self._unlearnt += 1
        if self._seen <= _EVIDENCE or not floor or cost < floor or self._unlearnt >= _LEARN_EVERY:
            self._learn()

    def rows(self) -> int:
        """The most rows to put into the next batch."""
        self._trials += 1
        if self._trials % _TRIAL_EVERY == 0:  # look at the neighbours now and then: the curve may have changed
            step = 2 if self._trials // _TRIAL_EVERY % 2 else 0.5
            return max(1, min(self._max_rows, int(self._best * step)))
        return self._best

    def is_better_held(self, rows: int) -> bool:
        """True if `rows` had better wait for an answer and for others, than be sent ahead to a replica at work.

        Sent ahead, they spare the replica the wait for its next batch. But they travel in a batch of their own: of N
        requests that are always under way a third is at work, a third sent ahead and a third waiting, where else it is
        a half and a half. So what the model does once a batch is done half as often again.
        """
        return rows < self._best and self.call_us > _HANDOVER_US

    def _learn(self) -> None:
        self._unlearnt = 0
        self._best = self._choose()
        if self._seen >= _EVIDENCE:
            self.row_floor_seconds = min(known for known in self._floors if known) / 1e6
        self.call_us = self._call_us()

    def _call_us(self) -> float:
        """Where the line through the times of the smallest and the largest batches meets no rows at all."""
        known = [(1 << k, floor * (1 << k)) for k, floor in enumerate(self._floors) if floor]
        (small, small_us), (large, large_us) = known[0], known[-1]
        if small == large:  # nothing says yet that rows cost anything
            return small_us
        return max(0.0, (small_us * large - large_us * small) / (large - small))

    def _choose(self) -> int:
        costs = {1 << k: floor + _OVERHEAD_US / (1 << k) for k, floor in enumerate(self._floors) if floor}
        best = best_rows(costs)
        if best == max(costs):  # nothing says yet that more would not be better
            best *= 2
        if self.objective_seconds is not None:
            allowed = self.objective_seconds * _OBJECTIVE_SHARE * 1e6
            while best > 1 and best * costs.get(best, costs[max(costs)]) > allowed:
                best //= 2
        return min(best, self._max_rows)


def best_rows(costs: Mapping[int, float]) -> int:
    """The smallest batch whose rows cost hardly more than at best; `costs`: its size -> cost of a row."""
    limit = _TOLERANCE * min(costs.values())
    return min(size for size, cost in costs.items() if cost <= limit)


def _class_of(rows: int) -> int:
    return (rows - 1).bit_length()
