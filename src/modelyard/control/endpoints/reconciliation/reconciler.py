"""The loop that makes what runs equal to what is wanted.

Level-triggered: each round looks at everything and remembers nothing that matters, so that the process may be killed at
any line and the next one goes on from what it finds.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from modelyard.control.endpoints.hosting.hosts import Hosts
from modelyard.control.endpoints.reconciliation.deployments import Deployments
from modelyard.control.endpoints.reconciliation.keeper import ReplicaKeeper
from modelyard.control.endpoints.reconciliation.routes import RoutingFile, route
from modelyard.control.endpoints.reconciliation.tasks import Tasks
from modelyard.control.endpoints.reconciliation.timing import Timing
from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord, ServedVersion, Slot
from modelyard.control.endpoints.repository import EndpointRepository, ReplicaRepository
from modelyard.control.endpoints.rollouts.lifecycle import Rollouts
from modelyard.control.endpoints.scaling.autoscaler import Autoscaler
from modelyard.control.endpoints.status import is_running, status_of, wanted_slots
from modelyard.control.events.service import EventService
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.endpoints import EndpointStatus, ReplicaStatus, Rollout
from modelyard.types.routing import RouteEndpoint

_log = structlog.get_logger(__name__)
_ELSEWHERE = "its models run beside another control process of this platform: call the gateway there"
_Versions = Mapping[tuple[str, str, int], ServedVersion]


class Reconciler:
    """Looks at every endpoint, one round after another, in one thread. One at a time a database."""

    def __init__(
        self,
        *,
        database: Database,
        endpoints: EndpointRepository,
        replicas: ReplicaRepository,
        keeper: ReplicaKeeper,
        rollouts: Rollouts,
        deployments: Deployments,
        autoscaler: Autoscaler,
        routing: RoutingFile,
        address: Callable[[ReplicaRecord], str],
        hosts: Hosts | None,
        tasks: Tasks,
        engine: Engine,
        events: EventService,
        clock: Clock,
        timing: Timing,
        awake: threading.Event,
    ) -> None:
        self._database = database
        self._endpoints = endpoints
        self._replicas = replicas
        self._keeper = keeper
        self._rollouts = rollouts
        self._deployments = deployments
        self._autoscaler = autoscaler
        self._routing = routing
        self._address = address
        self._hosts = hosts
        self._tasks = tasks
        self._engine = engine
        self._events = events
        self._clock = clock
        self._timing = timing
        self._last_routes: dict[tuple[str, str], RouteEndpoint | None] = {
            (each.project, each.name): each for each in routing.endpoints
        }
        self._reaped_at = float("-inf")
        self.awake = awake  # set: look now
        self._is_busy = self._is_idle = False

    def tick(self) -> None:
        """One round."""
        self._reap()
        self._autoscaler.look()
        with self._database.read() as connection:
            records = self._endpoints.all(connection)
            rollouts = self._endpoints.running_rollouts(connection)
            versions = self._endpoints.versions(connection)
            replicas: dict[tuple[str, str], list[ReplicaRecord]] = defaultdict(list)
            for replica in self._replicas.all(connection):
                replicas[replica.project, replica.endpoint].append(replica)
        found: list[ReplicaRecord] = []
        routes: dict[tuple[str, str], RouteEndpoint | None] = {}
        for record in records:
            key = (record.project, record.name)
            try:
                present = self._reconcile(record, rollouts.get(key), replicas[key], versions)
                routes[key] = present.route
                found += present.replicas
            except Exception:  # noqa: BLE001 - one endpoint's trouble must not keep the others waiting
                _log.exception("endpoint_round_failed", project=record.project, endpoint=record.name)
                routes[key] = self._last_routes.get(key)
        self._routing.write(tuple(each for each in routes.values() if each is not None))
        self._last_routes = routes
        for replica in found:
            if replica.status is ReplicaStatus.DRAINING:
                self._keeper.drain(replica)
        self._is_idle = not records
        self._is_busy = any(each.status in (ReplicaStatus.STARTING, ReplicaStatus.PROVING) for each in found)

    def stand_by(self) -> None:
        """Instead of a round, while another process on the same database does them: serve nothing here.

        What runs here from a time when it was this process that did is ended: the other one has replaced it.
        """
        with self._database.read() as connection:
            records = self._endpoints.all(connection)
        routes = {
            (each.project, each.name): RouteEndpoint(
                project=each.project, name=each.name, variants=(), reason=_ELSEWHERE, is_stopped=each.is_stopped
            )
            for each in records
            if not each.is_deleting
        }
        self._routing.write(tuple(routes.values()))
        self._last_routes = dict(routes)
        if self._clock.monotonic() - self._reaped_at >= self._timing.reap_seconds:
            self._reaped_at = self._clock.monotonic()
            self._keeper.end_all()

    @property
    def pause_seconds(self) -> float:
        """How long the next round may wait, unless somebody wakes it: less while a replica is on its way."""
        if self._is_idle:
            return self._timing.idle_seconds
        return self._timing.busy_seconds if self._is_busy else self._timing.interval_seconds

    def _reconcile(
        self, record: EndpointRecord, rollout: Rollout | None, replicas: list[ReplicaRecord], versions: _Versions
    ) -> "_Present":
        """Look at one endpoint and do everything about it that can be done now."""

        def digest(slot: Slot) -> str:
            return versions[record.project, slot.model, slot.number].digest

        replicas = [self._keeper.observe(replica, digest(replica.slot)) for replica in replicas]
        deadline = timedelta(seconds=self._timing.rollout_seconds)
        if rollout is not None and self._rollouts.advance(record, rollout, replicas, deadline):
            record, rollout = self._again(record)
        record = self._autoscaler.settle(record, is_rolling_out=is_running(rollout))
        replicas = self._fit(record, wanted_slots(record, rollout), replicas)
        status, reason = status_of(record, rollout, replicas)
        self._announce(record, status, reason)
        is_settled = self._deployments.settle(record, replicas)
        if not record.is_deleting:
            found = route(record, rollout, reason, replicas, versions, self._address)
            return _Present(found, replicas)
        if is_settled and not replicas:
            self._delete(record)
        return _Present(None, replicas)

    def _fit(
        self, record: EndpointRecord, wanted: Sequence[Slot], replicas: list[ReplicaRecord]
    ) -> list[ReplicaRecord]:
        """Retire what is not wanted, fill what is empty, clear away what has ended; the replicas there are then."""
        kept: list[ReplicaRecord] = []
        filled: dict[Slot, ReplicaRecord] = {}
        ended: list[ReplicaRecord] = []
        for replica in replicas:
            if replica.status in (ReplicaStatus.ENDED, ReplicaStatus.DRAINING):
                ended.append(replica)
            elif replica.slot in wanted and replica.slot not in filled:
                filled[replica.slot] = replica
            else:
                ended.append(self._keeper.retire(replica))
        last = {replica.slot: replica for replica in ended if replica.status is ReplicaStatus.ENDED}
        for slot in wanted:
            if slot not in filled:
                made = self._keeper.fill(record, slot, last.get(slot))
                if made is not None:
                    filled[slot] = made
                    self.awake.set()  # the next round starts it: at once
        for replica in ended:
            is_last = replica.slot in wanted and replica.slot not in filled and last.get(replica.slot) is replica
            is_over = replica.status is ReplicaStatus.ENDED
            if is_over and self._keeper.clear(replica, is_forgotten=not is_last) and not is_last:
                continue
            kept.append(replica)
        return [*kept, *filled.values()]

    def _again(self, record: EndpointRecord) -> tuple[EndpointRecord, Rollout | None]:
        """The endpoint and its running rollout as they are after a change."""
        with self._database.read() as connection:
            present = self._endpoints.get(connection, record.project, record.name)
            rollout = self._endpoints.last_rollout(connection, record.project, record.name)
        return present or record, rollout if is_running(rollout) else None

    def _announce(self, record: EndpointRecord, status: EndpointStatus, reason: str) -> None:
        if (status, reason) == (record.status, record.reason):
            return
        with self._database.transaction() as connection:
            is_noted = self._endpoints.set_status(connection, record, status, reason)
            if is_noted and status is not record.status:
                message = f"Endpoint '{record.name}' is {status}" + (f": {reason}" if reason else "")
                details = {"status": str(status)}
                self._events.append(
                    record.project, record.subject, "endpoint_status", message, details, connection=connection
                )

    def _delete(self, record: EndpointRecord) -> None:
        with self._database.transaction() as connection:
            self._endpoints.delete(connection, record.project, record.name)
            message = f"Endpoint '{record.name}' is gone"
            self._events.append(record.project, record.subject, "endpoint_deleted", message, connection=connection)

    def _reap(self) -> None:
        """Every few seconds: end what runs without a record."""
        if self._clock.monotonic() - self._reaped_at < self._timing.reap_seconds:
            return
        self._reaped_at = self._clock.monotonic()
        for words in self._engine.reap():
            _log.warning("process_without_record_ended", process=words)
        self._keeper.end_strays()
        self._settle_hosts()

    def _settle_hosts(self) -> None:
        """In the background: start spare hosts, end those that are left over."""
        hosts, key = self._hosts, ("hosts",)
        if hosts is None:
            return
        settled = self._tasks.take(key)
        if settled is not None and settled.exception() is not None:
            _log.warning("hosts_not_settled", reason=str(settled.exception()))
        with self._database.read() as connection:
            is_needed = any(each.status is not ReplicaStatus.ENDED for each in self._replicas.all(connection))
        is_busy = self._is_busy  # a spare host that starts would only keep the processors from what is waited for
        self._tasks.start(key, lambda: hosts.settle(is_needed=is_needed, may_start=not is_busy))


class _Present:
    """What a round found of one endpoint: its route (None: it has none any more) and its replicas."""

    def __init__(self, route: RouteEndpoint | None, replicas: Sequence[ReplicaRecord]) -> None:
        self.route = route
        self.replicas = replicas
