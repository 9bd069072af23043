"""What the gateways see of the two sides of a stage, counted from the stage's beginning."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from modelyard.control.endpoints.records import EndpointRecord
from modelyard.control.endpoints.rollouts.judging import Seen
from modelyard.control.endpoints.rollouts.traffic import Served, newcomers, traffic_of
from modelyard.types.endpoints import Rollout
from modelyard.types.planning import Outcomes, ServiceCurve, VariantDemand

_Key = tuple[str, str, str, str, int]


class Demand(Protocol):
    """Implementation: dataplane.demand.DemandFollower."""

    @property
    def variants(self) -> tuple[VariantDemand, ...]:
        """What was seen last of every variant."""

    def poll(self) -> bool:
        """Look anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The version that has the traffic, and the one that is on trial."""

    old: Seen
    new: Seen


class StageWatch:
    """Adds up what the counters grow by while a stage is under way. A restart forgets that: it then counts anew.

    Safe from any thread: the loop that keeps replicas looks, and so does whoever shows an endpoint.

    Args:
        demand: what the gateways see.
    """

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()

    def look(self, record: EndpointRecord, rollout: Rollout) -> Sides:
        """Both sides since the stage began, as far as this process has seen it; call it often."""
        with self._lock:
            return self._look(record, rollout)

    def forget(self, rollout: Rollout) -> None:
        """It has ended."""
        with self._lock:
            self._counts.pop(rollout.id, None)

    def _look(self, record: EndpointRecord, rollout: Rollout) -> Sides:
        self._demand.poll()
        now = {_key(each): each for each in self._demand.variants if (each.project, each.endpoint) == _name(record)}
        count = self._counts.get(rollout.id)
        if count is None or count.stage != rollout.stage:
            count = self._counts[rollout.id] = _Count(rollout.stage, {key: each.outcomes for key, each in now.items()})
        count.add({key: each.outcomes for key, each in now.items()})
        new = {each.name for each in newcomers(record.variants, rollout.to_variants)}
        served = traffic_of(record.variants, rollout).served

        def seen(those: Iterable[Served]) -> Seen:
            keys = [(*_name(record), each.name, each.variant.model, each.variant.number) for each in those]
            curves: ServiceCurve = tuple(point for key in keys if key in now for point in now[key].curve)
            return Seen(outcomes=sum((count.grown.get(key, Outcomes()) for key in keys), Outcomes()), curve=curves)

        return Sides(
            old=seen(each for each in served if each.name not in new),
            new=seen(each for each in served if each.name in new),
        )


class _Count:
    """One stage's: the counters as they were last, and what they have grown by."""

    def __init__(self, stage: int | None, last: dict[_Key, Outcomes]) -> None:
        self.stage = stage
        self.grown: dict[_Key, Outcomes] = {}
        self._last = last

    def add(self, now: dict[_Key, Outcomes]) -> None:
        for key, outcomes in now.items():
            added = outcomes.since(self._last.get(key, Outcomes()))
            self.grown[key] = self.grown.get(key, Outcomes()) + added
        self._last |= now  # a gateway that is away for a moment comes back with all its counts


def _key(demand: VariantDemand) -> _Key:
    return demand.project, demand.endpoint, demand.variant, demand.model, demand.number


def _name(record: EndpointRecord) -> tuple[str, str]:
    return record.project, record.name
