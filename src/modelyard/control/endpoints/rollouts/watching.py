"""What the gateways see of the two sides of a stage, counted from the stage's beginning."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from modelyard.control.endpoints.records import EndpointRecord
from modelyard.control.endpoints.rollouts.judging import Seen
from modelyard.control.endpoints.rollouts.traffic import Served, newcomers, traffic_of
from modelyard.types.endpoints import Rollout
from modelyard.types.planning import DemandTable, Outcomes, ServiceCurve, VariantDemand

_Key = tuple[str, str, str, str, int]


class Demand(Protocol):
    """Implementation: dataplane.demand.DemandFollower."""

    @property
    def last(self) -> DemandTable:
        """What was seen last."""

    def poll(self) -> bool:
        """Look anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The version that has the traffic, and the one that is on trial."""

    old: Seen
    new: Seen


class StageWatch:
    """Remembers the counters as they were when a stage began. A restart may forget that: it then counts anew.

    Args:
        demand: what the gateways see.
    """

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._began: dict[tuple[str, int], dict[_Key, Outcomes]] = {}

    def look(self, record: EndpointRecord, rollout: Rollout) -> Sides:
        """Both sides since the stage began, as far as this process has seen it."""
        self._demand.poll()
        now = {
            _key(each): each for each in self._demand.last.variants if (each.project, each.endpoint) == _name(record)
        }
        stage = (rollout.id, rollout.stage or 0)
        if stage not in self._began:
            kept = {key: value for key, value in self._began.items() if key[0] != rollout.id}
            self._began = kept | {stage: {key: each.outcomes for key, each in now.items()}}
        began = self._began[stage]
        new = {each.name for each in newcomers(record.variants, rollout.to_variants)}
        served = traffic_of(record.variants, rollout).served

        def seen(those: Iterable[Served]) -> Seen:
            keys = [(*_name(record), each.name, each.variant.model, each.variant.number) for each in those]
            found = [(now[key], began.get(key, Outcomes())) for key in keys if key in now]
            curves: ServiceCurve = tuple(point for demand, _ in found for point in demand.curve)
            return Seen(outcomes=_sum(demand.outcomes.since(earlier) for demand, earlier in found), curve=curves)

        return Sides(
            old=seen(each for each in served if each.name not in new),
            new=seen(each for each in served if each.name in new),
        )

    def forget(self, rollout: Rollout) -> None:
        """It has ended."""
        self._began = {key: value for key, value in self._began.items() if key[0] != rollout.id}


def _sum(parts: Iterable[Outcomes]) -> Outcomes:
    total = Outcomes()
    for part in parts:
        added = {name: getattr(total, name) + getattr(part, name) for name in part.__dataclass_fields__}
        total = replace(total, **added)
    return total


def _key(demand: VariantDemand) -> _Key:
    return demand.project, demand.endpoint, demand.variant, demand.model, demand.number


def _name(record: EndpointRecord) -> tuple[str, str]:
    return record.project, record.name
