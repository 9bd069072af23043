"""What the machine or the cluster offers to jobs, and what projects may take of it."""

import os
from collections.abc import Callable
from dataclasses import replace

from modelyard.errors import UnavailableError
from modelyard.kit.clock import Clock
from modelyard.types.compute.scheduling import HostCapacity, Quota
from modelyard.types.processes import Resources

LOCAL = "local"
_QUOTA_LIFE_SECONDS = 2.0


def this_machine(parallel_jobs: int) -> HostCapacity:
    """The capacity of this machine: all of it, until somebody says less."""
    memory = os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES")
    return HostCapacity(name=LOCAL, cpus=float(os.cpu_count() or 1), memory_bytes=memory, gpus=0, jobs=parallel_jobs)


def offered(whole: Resources | None, parallel_jobs: int) -> HostCapacity:
    """The capacity of all machines of an engine, as one: which of them runs a job is the engine's to choose.

    Args:
        whole: of all machines together; None: there is this one only.
        parallel_jobs: as many run at the same time.
    """
    machine = this_machine(parallel_jobs)
    if whole is None:
        return machine
    return replace(machine, cpus=whole.cpus or 0.0, memory_bytes=whole.memory_bytes or 0, gpus=whole.gpus)


class QuotaBook:
    """Quotas as the registry knows them, asked for at most every other second. Safe from any thread.

    While the registry is away the last known quota holds. One that was never known cannot be kept, so nothing of
    that project starts before the registry is back.
    """

    def __init__(self, ask: Callable[[str], Quota], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._known: dict[str, tuple[float, Quota]] = {}

    def of(self, project: str) -> Quota:
        """A project's quota.

        Raises:
            UnavailableError: the registry is away and the quota was never known.
        """
        now, known = self._clock.monotonic(), self._known.get(project)
        if known is not None and now - known[0] < _QUOTA_LIFE_SECONDS:
            return known[1]
        try:
            quota = self._ask(project)
        except UnavailableError:
            if known is None:
                raise
            return known[1]
        self._known[project] = now, quota
        return quota
