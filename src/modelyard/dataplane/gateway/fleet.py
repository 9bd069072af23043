"""All endpoints of the routing table with their pools, and the hot change from one table to the next."""

import random
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from itertools import accumulate

from modelyard.dataplane.errors import (
    EndpointNotFoundError,
    EndpointNotReadyError,
    EndpointStoppedError,
    VariantNotFoundError,
)
from modelyard.dataplane.gateway.config import Limits
from modelyard.dataplane.gateway.pools.lines import Lines
from modelyard.dataplane.gateway.pools.pool import VariantPool
from modelyard.dataplane.gateway.requests import PendingRequest
from modelyard.errors import ModelyardError
from modelyard.types.endpoints import Masking
from modelyard.types.routing import RouteEndpoint, RouteVariant, RoutingTable


class Endpoint:
    """A stable address: pools by variant, chosen by weight.

    Attributes:
        capture_share: share of answers that are recorded.
        personal_columns: what is masked in those records.
        reason: why it is not ready, from the table.
        is_stopped: only its owner can bring it back.
        is_on_demand: a request brings it back from zero replicas.
        pools: variant name -> pool.
        shadow: the pool that gets copies of `shadow_share` of the answered requests.
    """

    def __init__(self, project: str, name: str) -> None:
        self.project, self.name = project, name
        self.capture_share = 0.0
        self.personal_columns: dict[str, Masking] = {}
        self.reason = ""
        self.is_stopped = self.is_on_demand = False
        self.pools: dict[str, VariantPool] = {}
        self.shadow: VariantPool | None = None
        self.shadow_share = 0.0
        self._weighted: list[VariantPool] = []
        self._bounds: list[float] = []

    def follow(self, route: RouteEndpoint, pools: dict[str, VariantPool]) -> None:
        """Take over another state of the same endpoint."""
        self.capture_share, self.reason, self.pools = route.capture_share, route.reason, pools
        self.is_stopped, self.is_on_demand = route.is_stopped, route.is_on_demand
        self.shadow = pools.get(route.shadow.variant) if route.shadow else None
        self.shadow_share = route.shadow.share if route.shadow else 0.0
        self.personal_columns = route.personal_columns
        weights = {variant.name: variant.weight for variant in route.variants if variant.weight > 0}
        self._weighted = [pools[name] for name in weights]
        self._bounds = list(accumulate(weights.values()))

    @property
    def is_ready(self) -> bool:
        """True if a variant with traffic has a replica that takes requests, or gets one as soon as a request comes."""
        return bool(self._weighted and self.is_on_demand) or any(pool.is_live for pool in self._weighted)

    def choose(self, version: str = "") -> VariantPool:
        """The pool for the next request: the named version or variant, else by weight among those that are up.

        Raises:
            VariantNotFoundError: no such version or variant here.
            EndpointStoppedError: it was stopped.
            EndpointNotReadyError: no variant takes traffic.
        """
        if version and not self.is_stopped:
            return self._named(version)
        if len(self._weighted) == 1:
            return self._weighted[0]
        if not self._weighted:
            raise self.not_ready()
        chosen = self._weighted[bisect(self._bounds, random.random() * self._bounds[-1], hi=len(self._bounds) - 1)]  # noqa: S311
        if chosen.is_live:
            return chosen
        return next((pool for pool in self._weighted if pool.is_live), chosen)

    def primary(self, version: str = "") -> VariantPool:
        """The pool that descriptions of the endpoint are taken from: the named one, else the heaviest.

        Raises:
            VariantNotFoundError: no such version or variant here.
            EndpointStoppedError: it was stopped.
            EndpointNotReadyError: the endpoint has no variant.
        """
        if version and not self.is_stopped:
            return self._named(version)
        if self._weighted:
            weights = [high - low for low, high in zip([0.0, *self._bounds], self._bounds, strict=False)]
            return self._weighted[weights.index(max(weights))]
        if self.pools:
            return next(iter(self.pools.values()))
        raise self.not_ready()

    def not_ready(self) -> EndpointNotReadyError | EndpointStoppedError:
        """The error for callers, with the table's reason."""
        if self.is_stopped:
            return EndpointStoppedError(
                f"endpoint '{self.name}' is stopped", hint=f"`modelyard endpoints start {self.name}` starts it again."
            )
        reason = self.reason or "no variant of it takes traffic"
        return EndpointNotReadyError(
            f"endpoint '{self.name}' is not ready: {reason}", hint="Send it again after the time in Retry-After."
        )

    def reroute(self, source: VariantPool, requests: list[PendingRequest]) -> list[PendingRequest]:
        """Move requests to live variants of the same signature; returns those that none could take."""
        targets = [
            pool
            for pool in self._weighted
            if pool is not source and pool.is_live and pool.signature == source.signature
        ]
        return [request for request in requests if not any(_is_taken(pool, request) for pool in targets)]

    def _named(self, version: str) -> VariantPool:
        found = self.pools.get(version) or next((p for p in self.pools.values() if str(p.number) == version), None)
        if found is None:
            served = ", ".join(f"{pool.number} ('{name}')" for name, pool in self.pools.items()) or "none"
            raise VariantNotFoundError(
                f"endpoint '{self.name}' does not serve version '{version[:80]}'", hint=f"It serves {served}."
            )
        return found


class Fleet:
    """Every endpoint of the last table, and the pools of earlier tables that still finish their work.

    A variant that is in the old table and in the new one keeps its pool, its queue and its connections.
    """

    def __init__(self, limits: Limits, has_changed: Callable[["Fleet"], None]) -> None:
        self._limits = limits
        self._lines = Lines()
        self._has_changed = has_changed
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._retiring: list[VariantPool] = []

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints.values())

    def has(self, project: str, name: str) -> bool:
        """Whether a project has such an endpoint."""
        return (project, name) in self._endpoints

    def is_ready(self, project: str, name: str) -> bool:
        """Whether a project has such an endpoint, and requests to it are answered now."""
        found = self._endpoints.get((project, name))
        return found is not None and found.is_ready

    def find(self, project: str, name: str) -> Endpoint:
        """An endpoint.

        Raises:
            EndpointNotFoundError: not in this project; the hint names one that is spelled much like it.
        """
        endpoint = self._endpoints.get((project, name))
        if endpoint is None:
            names = [known for owner, known in self._endpoints if owner == project]
            close = get_close_matches(name, names, n=1)
            raise EndpointNotFoundError(
                f"project '{project[:80]}' has no endpoint '{name[:80]}'",
                hint=f"Did you mean '{close[0]}'?" if close else "`modelyard status` lists the endpoints.",
            )
        return endpoint

    def follow(self, table: RoutingTable) -> None:
        """Change to a new table without failing a request: new replicas connect, old ones finish what they hold."""
        before, endpoints = self._endpoints, dict[tuple[str, str], Endpoint]()
        for route in table.endpoints:
            key = (route.project, route.name)
            endpoint = before.get(key) or Endpoint(*key)
            old = endpoint.pools
            pools = {each.name: self._pool(endpoint, each, route) for each in route.variants}
            endpoint.follow(route, pools)
            gone = (pool for pool in old.values() if pool not in pools.values())
            self._retire(gone, is_on_demand=route.is_on_demand)
            endpoints[key] = endpoint
        self._endpoints = endpoints  # now: a table that cannot be followed takes nobody's endpoint away
        for key, endpoint in before.items():
            if key not in endpoints:
                self._retire(iter(endpoint.pools.values()), is_on_demand=False)
        self._has_changed(self)

    @property
    def is_settled(self) -> bool:
        """True if every replica of the table was reached, or is known to be out of reach."""
        return all(link.is_settled for each in self for pool in each.pools.values() for link in pool.replicas)

    def sweep(self) -> None:
        """Let time act on every pool; call it 20 times a second."""
        now = time.monotonic()
        for endpoint in self._endpoints.values():
            for pool in endpoint.pools.values():
                pool.sweep(now)
        for pool in self._retiring:
            pool.sweep(now)
        self._retiring = [pool for pool in self._retiring if not pool.is_drained]

    def close(self) -> None:
        """Disconnect from all workers."""
        for endpoint in self._endpoints.values():
            for pool in endpoint.pools.values():
                pool.close()
        for pool in self._retiring:
            pool.close()

    def _pool(self, endpoint: Endpoint, variant: RouteVariant, route: RouteEndpoint) -> VariantPool:
        pool = endpoint.pools.get(variant.name)
        if pool is None or not pool.is_same(variant):
            pool = VariantPool(variant, endpoint.name, self._limits, endpoint.reroute, self._lines)
        pool.follow(variant.replicas, is_on_demand=route.is_on_demand, p99_ms=route.p99_ms)
        return pool

    def _retire(self, pools: Iterator[VariantPool], *, is_on_demand: bool) -> None:
        for pool in pools:
            pool.retire(is_on_demand=is_on_demand)
            self._retiring.append(pool)


def _is_taken(pool: VariantPool, request: PendingRequest) -> bool:
    try:
        pool.submit(request)
    except ModelyardError:
        return False
    return True
