"""What machines offer to jobs, and what projects may take of it."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from modelyard.errors import UnavailableError
from modelyard.kit.clock import Clock
from modelyard.types.compute.nodes import Node, NodeUse
from modelyard.types.compute.scheduling import HostCapacity, Quota

_QUOTA_LIFE_SECONDS = 2.0


def offered(nodes: Iterable[Node], parallel_jobs: int) -> list[HostCapacity]:
    """What the living machines of an engine offer: all of each, until somebody says less.

    Args:
        nodes: of the engine.
        parallel_jobs: as many run at the same time on each.
    """
    return [
        HostCapacity(
            name=node.name,
            cpus=node.cpus,
            memory_bytes=node.memory_bytes,
            gpus=node.gpus,
            jobs=parallel_jobs,
            traits=node.traits,
            in_use=node.in_use,
        )
        for node in nodes
        if node.is_alive
    ]


def limited(host: HostCapacity, limit: HostCapacity) -> HostCapacity:
    """A host of which somebody has said what jobs may take. What others use counts against the rest of it first."""
    used = host.in_use
    return replace(
        limit,
        traits=host.traits,
        in_use=NodeUse(
            cpus=_beyond(used.cpus, host.cpus - limit.cpus),
            memory_bytes=int(_beyond(used.memory_bytes, host.memory_bytes - limit.memory_bytes)),
            gpus=_beyond(used.gpus, host.gpus - limit.gpus),
        ),
    )


def _beyond(used: float, rest: float) -> float:
    return max(0.0, used - max(0.0, rest))


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
