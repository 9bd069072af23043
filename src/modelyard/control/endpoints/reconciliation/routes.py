"""The gateway's routing table, out of endpoints and their replicas."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord, ServedVersion
from modelyard.control.endpoints.rollouts.traffic import Served, traffic_of
from modelyard.control.endpoints.status import failed_for_good, ready_in, slots_of
from modelyard.dataplane.errors import RoutingTableInvalidError
from modelyard.dataplane.routing import read_table, write_table
from modelyard.errors import TemporaryError
from modelyard.kit.clock import Clock
from modelyard.types.endpoints import Rollout
from modelyard.types.routing import RouteEndpoint, RouteReplica, RouteToken, RouteVariant, RoutingTable

_log = structlog.get_logger(__name__)


class RoutingFile:
    """Keeps `run/routing.json` equal to what is true.

    Args:
        path: the file.
        tokens: who may call; asked again when the answer is `token_seconds` old.
        clock: for that age.
        token_seconds: how long an answer of `tokens` is used: an upper bound on how long a revoked token still calls.
    """

    def __init__(
        self, path: Path, tokens: Callable[[], Sequence[RouteToken]], clock: Clock, token_seconds: float
    ) -> None:
        self._path = path
        self._ask_tokens = tokens
        self._clock = clock
        self._token_seconds = token_seconds
        self._tokens_asked_at: float | None = None
        self._written = self._read()
        self._tokens = self._written.tokens  # until the registry answers, those of the last table hold

    @property
    def endpoints(self) -> tuple[RouteEndpoint, ...]:
        """What the gateway works by at this moment."""
        return self._written.endpoints

    def write(self, endpoints: tuple[RouteEndpoint, ...]) -> None:
        """Write the table if it is another one than the last, or if the file is gone."""
        self._refresh_tokens()
        wanted = RoutingTable(generation=self._written.generation, endpoints=endpoints, tokens=self._tokens)
        if wanted != self._written or not self._path.exists():
            self._written = replace(wanted, generation=wanted.generation + 1)
            write_table(self._path, self._written)

    def _refresh_tokens(self) -> None:
        now = self._clock.monotonic()
        if self._tokens_asked_at is not None and now - self._tokens_asked_at < self._token_seconds:
            return
        self._tokens_asked_at = now
        try:
            self._tokens = tuple(self._ask_tokens())
        except TemporaryError as error:
            _log.warning("route_tokens_kept", reason=error.message)

    def _read(self) -> RoutingTable:
        try:
            return read_table(self._path)
        except FileNotFoundError:
            return RoutingTable(generation=0)
        except RoutingTableInvalidError as error:
            _log.warning("routing_table_replaced", reason=error.message)
            return RoutingTable(generation=0)


def route(
    record: EndpointRecord,
    rollout: Rollout | None,
    reason: str,
    replicas: Iterable[ReplicaRecord],
    versions: Mapping[tuple[str, str, int], ServedVersion],
    address: Callable[[ReplicaRecord], str],
) -> RouteEndpoint:
    """What the gateway needs to know of one endpoint. Only ready replicas are in it.

    Args:
        record: the endpoint, with the variants that have the traffic.
        rollout: the one that is under way, whose stage may give some of it to others.
        reason: why it may not be ready; told to callers then.
        replicas: of the endpoint.
        versions: what each version takes and gives.
        address: of a replica: its socket.
    """
    if record.is_stopped:
        return RouteEndpoint(project=record.project, name=record.name, variants=(), reason=reason, is_stopped=True)
    slots = slots_of(record.variants)
    replicas = list(replicas)
    ready = ready_in(replicas, slots)
    traffic = traffic_of(record.variants, rollout)
    may_be_zero = record.resting is not None or (record.scaling is not None and record.scaling.minimum_replicas == 0)
    return RouteEndpoint(
        project=record.project,
        name=record.name,
        variants=tuple(
            _variant(each, versions[record.project, each.variant.model, each.variant.number], replicas, address)
            for each in traffic.served
        ),
        capture_share=record.capture_share,
        reason="" if ready else reason,
        is_on_demand=may_be_zero and failed_for_good(replicas, slots) is None,
        personal_columns=record.capture.personal_columns if record.capture is not None else {},
        p99_ms=record.scaling.p99_ms if record.scaling is not None else None,
        shadow=traffic.shadow,
    )


def _variant(
    served: Served,
    version: ServedVersion,
    replicas: Iterable[ReplicaRecord],
    address: Callable[[ReplicaRecord], str],
) -> RouteVariant:
    return RouteVariant(
        name=served.name,
        model=served.variant.model,
        number=served.variant.number,
        weight=served.weight,
        signature=version.signature,
        replicas=tuple(
            RouteReplica(id=replica.id, address=address(replica)) for replica in ready_in(replicas, served.slots)
        ),
        is_pure=version.is_pure,
        answers=served.variant.answers,
        title=served.variant.title,
    )
