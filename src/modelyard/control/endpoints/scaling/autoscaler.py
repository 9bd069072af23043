"""Scales the variants of endpoints that scale by themselves: one look a round, nothing remembered that matters."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from modelyard.control.endpoints.records import EndpointRecord
from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.endpoints.scaling.activity import Activity
from modelyard.control.endpoints.scaling.decisions import (
    Decision,
    Situation,
    bounds,
    fewer_after_a_while,
    has_figures,
    is_fewer_enough,
    more,
    noted,
)
from modelyard.control.endpoints.scaling.resting import Rest
from modelyard.control.events.service import EventService
from modelyard.dataplane.demand import DemandFollower
from modelyard.dataplane.planning.prediction import Predictor
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.endpoints import Scaling, Variant
from modelyard.types.planning import VariantDemand

_PREDICTION_SECONDS = 2.0
_SIMULATED_REQUESTS = 3000  # 30 ms; a p99 within 15 % is enough to choose among whole replicas
_Key = tuple[str, str, str]
_VersionKey = tuple[str, str, str, str, int]


@dataclass(slots=True)
class _Memory:
    """What a restart may forget: it then looks anew, and waits again before it scales down."""

    last_request_at: float = float("-inf")
    enough_since: float | None = None
    predicted_at: float = float("-inf")
    is_held: bool = False


class Autoscaler:
    """Changes the numbers of replicas in the records of endpoints; filling and emptying them is the reconciler's.

    Args:
        database: of the endpoints.
        repository: their SQL.
        demand: what the gateways see.
        saturation: why this machine can take no further replica, or "".
        events: receive each change with its reason.
        clock: the time.
        activity: remembers when endpoints were asked.
        rest: lets those rest that nobody asks.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: EndpointRepository,
        demand: DemandFollower,
        saturation: Callable[[], str],
        events: EventService,
        clock: Clock,
        activity: Activity,
        rest: Rest,
    ) -> None:
        self._database = database
        self._repository = repository
        self._activity = activity
        self._rest = rest
        self._follower = demand
        self._saturation = saturation
        self._events = events
        self._clock = clock
        self._began_at = clock.now().timestamp()
        self._seen: dict[_VersionKey, VariantDemand] = {}
        self._memories: dict[_Key, _Memory] = {}

    def look(self) -> None:
        """Read what the gateways saw; once a round."""
        self._activity.settle()
        if not self._follower.poll():
            return
        self._activity.note(self._follower.variants)
        self._seen = {
            (each.project, each.endpoint, each.variant, each.model, each.number): each
            for each in self._follower.variants
        }
        if self._seen:  # else no gateway lives at the moment, which says nothing about the endpoints
            known = {key[:3] for key in self._seen}
            self._memories = {key: memory for key, memory in self._memories.items() if key in known}

    def settle(self, record: EndpointRecord, *, is_rolling_out: bool) -> EndpointRecord:
        """The endpoint with the numbers of replicas that it should have now.

        While a rollout runs only an endpoint without any replica gets some: the rollout has numbers of its own.
        """
        if record.is_stopped or record.is_deleting:
            return record
        if not is_rolling_out:
            record = self._rest.settle(record, self._seen_of(record))
        if record.scaling is None or record.resting is not None:
            return record
        if is_rolling_out and any(variant.replicas for variant in record.variants):
            return record
        decisions = {variant.name: self._decide(record, record.scaling, variant) for variant in record.variants}
        changes = {name: decision for name, decision in decisions.items() if decision is not None}
        return self._apply(record, changes) if changes else record

    def _decide(self, record: EndpointRecord, scaling: Scaling, variant: Variant) -> Decision | None:
        key = (record.project, record.name, variant.name)
        memory = self._memories.setdefault(key, _Memory())
        demand = self._demand_of(key, variant)
        if demand is not None and demand.last_request_at is not None:
            memory.last_request_at = max(memory.last_request_at, demand.last_request_at)
        now = self._clock.now().timestamp()
        since = max(memory.last_request_at, self._began_at, record.updated_at.timestamp())
        situation = Situation(
            scaling=scaling,
            replicas=variant.replicas,
            demand=demand,
            idle_seconds=now - since,
            enough_since=memory.enough_since,
            now=self._clock.monotonic(),
        )
        decision = bounds(situation) or self._foresee(record, variant.name, situation, memory)
        if decision is not None:
            memory.enough_since = None
        return decision

    def _foresee(self, record: EndpointRecord, variant: str, situation: Situation, memory: _Memory) -> Decision | None:
        """More or fewer by prediction, every other second: it takes tens of milliseconds."""
        demand, scaling = situation.demand, situation.scaling
        is_free = situation.replicas > 0 and scaling.maximum_replicas > 1
        if demand is None or not is_free or not has_figures(demand):
            return None
        if situation.now - memory.predicted_at < _PREDICTION_SECONDS:
            return None
        memory.predicted_at = situation.now
        forecast = Predictor(
            demand.curve, rows_per_request=max(1.0, demand.rows_per_request), requests=_SIMULATED_REQUESTS
        )
        decision = more(situation, forecast)
        if decision is not None:
            return decision if self._has_room(record, variant, decision, memory) else None
        memory.is_held = False
        situation = noted(situation, is_enough=is_fewer_enough(situation, forecast))
        memory.enough_since = situation.enough_since
        return fewer_after_a_while(situation)

    def _has_room(self, record: EndpointRecord, variant: str, decision: Decision, memory: _Memory) -> bool:
        """True if the machine bears more replicas; else the event says once why there are not more."""
        why = self._saturation()
        if why and not memory.is_held:
            message = (
                f"Endpoint '{record.name}' needs {decision.replicas} replicas of variant '{variant}' "
                f"({decision.reason}) and gets none more: host saturated: {why}"
            )
            self._events.append(record.project, record.subject, "endpoint_scaling_held", message, {"variant": variant})
        memory.is_held = bool(why)
        return not why

    def _seen_of(self, record: EndpointRecord) -> list[VariantDemand]:
        found = [self._demand_of((record.project, record.name, variant.name), variant) for variant in record.variants]
        return [each for each in found if each is not None]

    def _demand_of(self, key: _Key, variant: Variant) -> VariantDemand | None:
        return self._seen.get((*key, variant.model, variant.number))

    def _apply(self, record: EndpointRecord, decisions: dict[str, Decision]) -> EndpointRecord:
        variants = tuple(
            replace(variant, replicas=decisions[variant.name].replicas) if variant.name in decisions else variant
            for variant in record.variants
        )
        with self._database.transaction() as connection:
            if not self._repository.set_variants(connection, record, variants):
                return record  # somebody has changed the wish meanwhile: the next round looks at that
            for before in record.variants:
                if before.name in decisions:
                    decision = decisions[before.name]
                    message = (
                        f"Endpoint '{record.name}' goes from {before.replicas} to {decision.replicas} replicas "
                        f"of variant '{before.name}': {decision.reason}"
                    )
                    details = {"variant": before.name, "replicas": str(decision.replicas)}
                    kind = "endpoint_autoscaled"
                    self._events.append(record.project, record.subject, kind, message, details, connection=connection)
        return replace(record, variants=variants)


class DemandWatch:
    """Wakes whoever scales as soon as a request waits where there is no replica.

    Args:
        demand: a follower of its own.
        wake: is called.
    """

    def __init__(self, demand: DemandFollower, wake: Callable[[], None]) -> None:
        self._demand = demand
        self._wake = wake

    def look(self) -> None:
        """Look once; costs 30 us for each gateway while nothing changes."""
        if self._demand.poll() and any(each.waiting and not each.ready_replicas for each in self._demand.variants):
            self._wake()
