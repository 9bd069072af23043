"""Figures of a gateway: plain counters on the hot path, a snapshot of all when asked, and the sum of snapshots."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds; one bucket more has the rest."""

VariantKey = tuple[str, str, str]
"""Project, endpoint, variant; the variant is "" for what failed before one was chosen."""


@dataclass(slots=True)
class VariantFigures:
    """What one variant did since the gateway started. `failures` counts by error code."""

    requests: int = 0
    rows: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    failures: dict[str, int] = field(default_factory=dict)

    def answered(self, seconds: float, rows: int) -> None:
        """One answer."""
        self.requests += 1
        self.rows += rows
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS, seconds)] += 1

    def failed(self, code: str) -> None:
        """One request without an answer."""
        self.failures[code] = self.failures.get(code, 0) + 1

    def add(self, other: "VariantFigures") -> None:
        """Count what `other` counted, too."""
        self.requests += other.requests
        self.rows += other.rows
        self.seconds += other.seconds
        self.buckets = [own + more for own, more in zip(self.buckets, other.buckets, strict=True)]
        for code, count in other.failures.items():
            self.failures[code] = self.failures.get(code, 0) + count


class LivePool(Protocol):
    """What a pool shows."""

    name: str
    model: str
    number: int
    batches: int
    batched_requests: int
    nan_rows: int

    @property
    def depth(self) -> int:
        """Requests that wait."""

    @property
    def ready_replicas(self) -> int:
        """Replicas that take requests."""


@dataclass(slots=True)
class PoolFigures:
    """A queue and its replicas. Counters of a version begin anew with the next one."""

    waiting: int = 0
    ready_replicas: int = 0
    batches: int = 0
    batched_requests: int = 0
    nan_rows: int = 0

    def add(self, other: "PoolFigures") -> None:
        """The same queue in another gateway; both are connected to the same replicas."""
        self.waiting += other.waiting
        self.ready_replicas = max(self.ready_replicas, other.ready_replicas)
        self.batches += other.batches
        self.batched_requests += other.batched_requests
        self.nan_rows += other.nan_rows


PoolKey = tuple[str, str, str, str, int]
"""Project, endpoint, variant, model, number."""


@dataclass(slots=True)
class Snapshot:
    """All figures of a gateway, or of several, at one moment. Those in `pools` are of the present routing table.

    Attributes:
        refused: requests that never reached an endpoint.
        captures, captures_dropped: requests handed to the spool, and those of them that were lost.
    """

    variants: dict[VariantKey, VariantFigures] = field(default_factory=dict)
    refused: VariantFigures = field(default_factory=VariantFigures)
    pools: dict[PoolKey, PoolFigures] = field(default_factory=dict)
    connections: int = 0
    captures: int = 0
    captures_dropped: int = 0

    def add(self, other: "Snapshot") -> None:
        """The figures of another gateway, too. Nothing of `other` is changed or shared."""
        for variant, figures in other.variants.items():
            self.variants.setdefault(variant, VariantFigures()).add(figures)
        for pool, state in other.pools.items():
            self.pools.setdefault(pool, PoolFigures()).add(state)
        self.refused.add(other.refused)
        self.connections += other.connections
        self.captures += other.captures
        self.captures_dropped += other.captures_dropped

    def end(self) -> None:
        """Its gateway is gone: counts stay, states are over."""
        self.connections = 0
        for pool in self.pools.values():
            pool.waiting = pool.ready_replicas = 0

    def keep_only(self, pools: Iterable[PoolKey]) -> None:
        """Drop what is no longer in the routing table, of which these are the pools."""
        kept = set(pools)
        self.pools = {key: state for key, state in self.pools.items() if key in kept}
        variants = variant_keys(key[:3] for key in kept)
        self.variants = {key: figures for key, figures in self.variants.items() if key in variants}


class Metrics:
    """Figures by variant; requests that never reached an endpoint are counted apart."""

    def __init__(self) -> None:
        self._figures: dict[VariantKey, VariantFigures] = {}
        self.refused = VariantFigures()

    def of(self, project: str, endpoint: str, variant: str) -> VariantFigures:
        """The figures of a variant; the same object for the same names."""
        return self._figures.setdefault((project, endpoint, variant), VariantFigures())

    def forget_all_but(self, keys: Iterable[VariantKey]) -> None:
        """Drop the figures of variants that left the table, so that they do not grow with every rollout."""
        kept = variant_keys(keys)
        self._figures = {key: figures for key, figures in self._figures.items() if key in kept}

    def snapshot(
        self, pools: Iterable[tuple[str, str, LivePool]], connections: int, spooled: int, dropped: int
    ) -> Snapshot:
        """Everything as it is now; `pools` are (project, endpoint, pool). It goes on counting with the counters."""
        states = {
            (project, endpoint, pool.name, pool.model, pool.number): PoolFigures(
                pool.depth, pool.ready_replicas, pool.batches, pool.batched_requests, pool.nan_rows
            )
            for project, endpoint, pool in pools
        }
        return Snapshot(dict(self._figures), self.refused, states, connections, spooled, dropped)


def variant_keys(variants: Iterable[VariantKey]) -> set[VariantKey]:
    """These, and the entries for what failed at their endpoints before a variant was chosen."""
    return {
        key
        for project, endpoint, variant in variants
        for key in ((project, endpoint, variant), (project, endpoint, ""))
    }
