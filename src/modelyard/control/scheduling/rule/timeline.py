"""Free capacity over time: a step function for each host and for what is left of each project's quota."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from modelyard.control.scheduling.rule.amounts import Amounts

_Steps = NDArray[np.int64]


class Timeline:
    """Steps begin at `_times`; the last one lasts for ever. One row for each host, then one for each quota."""

    def __init__(self, now: float, hosts: Mapping[str, Amounts], quotas: Mapping[str, Amounts]) -> None:
        self._times = [now]
        self._hosts = list(hosts)
        self._row = {name: index for index, name in enumerate(self._hosts)}
        self._quota_row = {name: len(self._hosts) + index for index, name in enumerate(quotas)}
        rows = [*hosts.values(), *quotas.values()]
        self._free: _Steps = np.array([rows], dtype=np.int64).reshape(1, len(rows), len(Amounts()))

    def take(self, start: float, end: float, hosts: Sequence[str], need: Amounts) -> None:
        """Occupy hosts between two moments; what is taken twice goes below zero."""
        for host in hosts:
            if host in self._row:
                self._lower(start, end, self._row[host], need)

    def charge(self, start: float, end: float, project: str, amounts: Amounts) -> None:
        """Use a project's quota between two moments, if it has one."""
        if project in self._quota_row:
            self._lower(start, end, self._quota_row[project], amounts)

    def earliest(
        self,
        need: Amounts,
        count: int,
        seconds: float,
        project: str | None,
        charged: Amounts,
        suits: Callable[[str], bool] = lambda _host: True,
        *,
        is_spread: bool = False,
    ) -> tuple[float, tuple[str, ...]] | None:
        """The first moment from which `count` hosts are free for that long, and the hosts; None: never.

        `charged` is what the project's quota must have for all of them together.
        Among hosts that are free and suit the ones with the least left are taken, so that large places stay whole;
        with `is_spread` the ones with the most.
        """
        fits: NDArray[np.bool_] = np.all(self._free[:, : len(self._hosts)] >= np.array(need), axis=2)
        fits &= np.array([suits(host) for host in self._hosts], dtype=np.bool_)
        if project in self._quota_row:
            row = self._free[:, self._quota_row[project]]
            allowed: NDArray[np.bool_] = np.all(row >= np.array(charged), axis=1)
            fits &= allowed[:, None]
        for index in range(len(self._times)):
            if np.count_nonzero(fits[index]) < count:
                continue
            free: NDArray[np.bool_] = np.all(fits[index : self._steps_before(self._times[index] + seconds)], axis=0)
            if np.count_nonzero(free) >= count:
                sign = -1 if is_spread else 1
                chosen = sorted(np.flatnonzero(free), key=lambda row: (*(sign * self._free[index, row]), row))[:count]
                return self._times[index], tuple(self._hosts[row] for row in chosen)
        return None

    def _lower(self, start: float, end: float, row: int, amounts: Amounts) -> None:
        start = max(start, self._times[0])
        if end > start:
            first, last = self._step_at(start), self._step_at(end)
            self._free[first:last, row] -= np.array(amounts)

    def _steps_before(self, moment: float) -> int:
        """How many steps begin before this moment."""
        return bisect_left(self._times, moment)

    def _step_at(self, moment: float) -> int:
        """The step that begins at this moment; splits the one in which it lies."""
        index = bisect_left(self._times, moment)
        if index == len(self._times) or self._times[index] != moment:
            self._times.insert(index, moment)
            self._free = np.insert(self._free, index, self._free[index - 1], axis=0)
        return index
