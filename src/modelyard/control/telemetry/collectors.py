"""Families that are made when somebody asks: workers, and what waits in the spool."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from modelyard.dataplane.captures import closed_segments
from modelyard.engines.local.tree import descendants
from modelyard.types.endpoints import Replica, ReplicaStatus

_LABELS = ("project", "endpoint", "variant", "replica")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")

RunningReplicas = Callable[[], Sequence[tuple[str, str, Replica]]]
"""(project, endpoint, replica) of every worker that lives."""


class WorkerFigures:
    """Workers cannot be asked by network: their sandbox has none. So control reads what the kernel counts of them."""

    def __init__(self, replicas: RunningReplicas) -> None:
        self._replicas = replicas

    def collect(self) -> Iterator[Metric]:
        """See figures.Collector."""
        ready = GaugeMetricFamily("modelyard_worker_ready", "1 once it answered its golden requests.", labels=_LABELS)
        cpu = CounterMetricFamily("modelyard_worker_cpu_seconds", "Processor time of the worker.", labels=_LABELS)
        memory = GaugeMetricFamily("modelyard_worker_resident_bytes", "Resident memory of the worker.", labels=_LABELS)
        threads = GaugeMetricFamily("modelyard_worker_threads", "Threads of the worker.", labels=_LABELS)
        for project, endpoint, replica in self._replicas():
            if replica.pid is None:
                continue
            labels = (project, endpoint, replica.variant, replica.id)
            seconds, resident, tasks = _usage(replica.pid)
            ready.add_metric(labels, float(replica.status is ReplicaStatus.READY))
            cpu.add_metric(labels, seconds)
            memory.add_metric(labels, resident)
            threads.add_metric(labels, tasks)
        yield from (ready, cpu, memory, threads)


class SpoolFigures:
    """Captures that were recorded and not yet taken over."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool

    def collect(self) -> Iterator[Metric]:
        """See figures.Collector."""
        sizes = []
        for path in closed_segments(self._spool):
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:  # taken over a moment ago
                continue
        yield GaugeMetricFamily("modelyard_spool_segments", "Segments that wait to be taken over.", value=len(sizes))
        yield GaugeMetricFamily("modelyard_spool_bytes", "Bytes of those segments.", value=sum(sizes))


def _usage(pid: int) -> tuple[float, float, float]:
    """Processor seconds, resident bytes and threads of a process and all below it; 0 where it has just ended."""
    seconds = resident = tasks = 0.0
    for each in (pid, *descendants(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds += (int(fields[11]) + int(fields[12])) / _TICKS
        resident += int(fields[21]) * _PAGE
        tasks += int(fields[17])
    return seconds, resident, tasks
