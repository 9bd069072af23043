"""Whether the gateways have heard of what an endpoint is by now."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from modelyard.dataplane.errors import RoutingTableInvalidError
from modelyard.dataplane.routing import FOLLOW_SECONDS, TableFollower
from modelyard.errors import TemporaryError
from modelyard.types.endpoints import Endpoint, EndpointStatus
from modelyard.types.routing import RouteEndpoint

_READY_REPLICAS = "modelyard_inference_ready_replicas"

_Key = tuple[str, str]  # project and endpoint
_Weights = dict[str, float]


class GatewayFollowing:
    """Looks what the gateways were told and have: who is told that an endpoint is in service must be answered at once.

    Control knows of a replica that became ready, and of other weights, a moment before the gateways do. Several threads
    may ask at once.

    Args:
        path: the routing table of this machine's gateways.
        figures: the gateways' figures in Prometheus' text form; raises TemporaryError when they do not answer.
    """

    def __init__(self, path: Path, figures: Callable[[], str]) -> None:
        self._path = path
        self._follower = TableFollower(path)
        self._figures = figures
        self._lock = threading.Lock()
        self._routes: Mapping[_Key, RouteEndpoint] = {}
        self._followed: dict[_Key, _Weights] = {}
        self._begun: dict[_Key, datetime] = {}  # when the life began that was answered for

    def has(self, endpoint: Endpoint) -> bool:
        """Whether they send requests to replicas of its variants, by its weights.

        One that lacks replicas had begun if it was answered for before; a new one is still on its way.
        """
        key = (endpoint.project, endpoint.name)
        if endpoint.status is EndpointStatus.DEGRADED and self._begun.get(key) == endpoint.created_at:
            return True
        if self._has(endpoint, key):
            self._begun[key] = endpoint.created_at
            return True
        return False

    def _has(self, endpoint: Endpoint, key: _Key) -> bool:
        wanted = {variant.name: variant.weight for variant in endpoint.variants}
        route = self._current_routes().get(key)
        try:  # after the table was read: one that is written in between counts as new
            is_old = time.time() - self._path.stat().st_mtime >= FOLLOW_SECONDS
        except FileNotFoundError:
            return False
        if route is not None and not route.variants:
            return True  # another machine's gateways serve it
        if route is None or not _sends(route, wanted):
            self._followed.pop(key, None)
            return False
        # A table that was written just now says nothing new of this endpoint if it was followed before.
        if self._followed.get(key) == wanted:
            return True
        if is_old and self._is_live(endpoint):
            self._followed[key] = wanted
            return True
        return False

    def _current_routes(self) -> Mapping[_Key, RouteEndpoint]:
        """Those of the table, which is read again only when it is another file than before."""
        with self._lock:
            try:
                table = self._follower.poll()
            except RoutingTableInvalidError:
                self._routes = {}
            else:
                if table is not None:
                    self._routes = {(each.project, each.name): each for each in table.endpoints}
            return self._routes

    def _is_live(self, endpoint: Endpoint) -> bool:
        try:
            text = self._figures()
        except TemporaryError:
            return False
        live = {
            sample.labels["variant"]
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == _READY_REPLICAS and sample.value > 0
            if (sample.labels["project"], sample.labels["endpoint"]) == (endpoint.project, endpoint.name)
        }
        return all(variant.name in live for variant in endpoint.variants if variant.weight > 0)


def _sends(route: RouteEndpoint, wanted: _Weights) -> bool:
    given = {variant.name: variant.weight for variant in route.variants}
    return given == wanted and all(variant.replicas for variant in route.variants if variant.weight > 0)
