"""Rows of the ledger added up. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from modelyard.control.metering.records import UsageRow, Used, cost_of, energy_of
from modelyard.types.compute.costs import Cost, CostGroup, Prices, Tariff

_OF_ENDPOINTS = ("endpoint", "capture")


def report(rows: Iterable[UsageRow], prices: Mapping[int, Prices], group: CostGroup) -> list[Cost]:
    """What each group has used and cost, the dearest first."""
    groups: dict[str, list[UsageRow]] = defaultdict(list)
    for row in rows:
        name = _name(row, group)
        if name is not None:
            groups[name].append(row)
    found = [added(name, each, prices) for name, each in groups.items()]
    return sorted(found, key=lambda each: (-each.cost, each.name))


def added(name: str, rows: Sequence[UsageRow], prices: Mapping[int, Prices]) -> Cost:
    """All rows together. What was reserved costs, but only what ran on it has used anything."""
    used = Used()
    for row in rows:
        if row.tariff is not Tariff.RESERVED:
            used = used.plus(row.used)
    cost, predictions = sum(price_of(row, prices) for row in rows), round(used.predictions)
    newest = prices[max(prices)] if prices else Prices()
    return Cost(
        name=name,
        cpu_seconds=used.cpu_seconds,
        memory_gib_seconds=used.memory_gib_seconds,
        gpu_seconds=used.gpu_seconds,
        storage_gib_hours=used.storage_gib_seconds / 3600,
        bytes_in=round(used.bytes_in),
        bytes_out=round(used.bytes_out),
        predictions=predictions,
        energy_kwh=sum(
            energy_of(row.used, prices[row.price_list]) for row in rows if row.tariff is not Tariff.RESERVED
        ),
        cost=cost,
        cost_per_thousand=1000 * cost / predictions if predictions else None,
        currency=newest.currency,
    )


def price_of(row: UsageRow, prices: Mapping[int, Prices]) -> float:
    """What a row costs at the prices of its time."""
    return cost_of(row.used, prices[row.price_list], row.tariff)


def _name(row: UsageRow, group: CostGroup) -> str | None:
    """The group that a row belongs to; None: to none."""
    match group:
        case CostGroup.PROJECT:
            return row.project or "(the platform itself)"
        case CostGroup.KIND:
            return row.kind
        case CostGroup.DAY:
            return row.day.isoformat()
        case CostGroup.VERSION:
            return row.version or None
        case CostGroup.JOB:
            return row.name if row.kind == "job" else None
        case CostGroup.ENDPOINT:
            return row.name if row.kind in _OF_ENDPOINTS else None
