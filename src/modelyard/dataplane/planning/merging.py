"""What several gateways are asked for, as if one had been: counts add up, distributions mix."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from modelyard.dataplane.gateway.pools.demand import between
from modelyard.types.planning import QUANTILES, DemandTable, Outcomes, ServiceCurve, ServicePoint, VariantDemand

_Key = tuple[str, str, str, str, int]


def merge_demand(tables: Iterable[DemandTable]) -> tuple[VariantDemand, ...]:
    """One entry for each variant; a version that only some gateways know yet has an entry of its own."""
    parts: dict[_Key, list[VariantDemand]] = {}
    for table in tables:
        for each in table.variants:
            key = (each.project, each.endpoint, each.variant, each.model, each.number)
            parts.setdefault(key, []).append(each)
    return tuple(found[0] if len(found) == 1 else _merge(found) for found in parts.values())


def _merge(parts: Sequence[VariantDemand]) -> VariantDemand:
    first = parts[0]
    weights = [sum(part.arrivals) or 1e-9 for part in parts]  # nobody asked anybody: all count alike
    return VariantDemand(
        project=first.project,
        endpoint=first.endpoint,
        variant=first.variant,
        model=first.model,
        number=first.number,
        waiting=sum(part.waiting for part in parts),
        ready_replicas=max(part.ready_replicas for part in parts),  # each is connected to the same ones
        last_request_at=max((part.last_request_at for part in parts if part.last_request_at is not None), default=None),
        arrivals=_add_seconds([part.arrivals for part in parts]),
        rows_per_request=_mean([part.rows_per_request for part in parts], weights),
        busy_share=round(sum(part.busy_share for part in parts), 3),
        curve=_merge_curves([part.curve for part in parts]),
        outcomes=sum((part.outcomes for part in parts), Outcomes()),
    )


def _add_seconds(arrivals: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """By second, newest last. Gateways begin theirs at different moments, which blurs the sum by less than one."""
    backwards = zip_longest(*(reversed(each) for each in arrivals), fillvalue=0)
    return tuple(reversed([sum(second) for second in backwards]))


def _merge_curves(curves: Sequence[ServiceCurve]) -> ServiceCurve:
    sizes: dict[int, list[ServicePoint]] = {}
    for point in (point for curve in curves for point in curve):
        sizes.setdefault(int(point.rows).bit_length(), []).append(point)  # as each gateway has grouped them
    return tuple(_mix(points) if len(points) > 1 else points[0] for _, points in sorted(sizes.items()))


def _mix(points: Sequence[ServicePoint]) -> ServicePoint:
    """The distribution of all batches together: that of times drawn from each point as often as it had batches."""
    batches = [point.batches for point in points]
    times = sorted(time for point in points for time in _drawn(point))
    last = len(times) - 1
    return ServicePoint(
        rows=_mean([point.rows for point in points], batches),
        batches=sum(batches),
        mean_seconds=_mean([point.mean_seconds for point in points], batches),
        quantiles_seconds=tuple(between(times, share * last) for share in QUANTILES),
    )


def _drawn(point: ServicePoint) -> list[float]:
    last = max(1, point.batches - 1)
    return [_quantile(point, index / last) for index in range(point.batches)]


def _quantile(point: ServicePoint, share: float) -> float:
    above = min(bisect_right(QUANTILES, share), len(QUANTILES) - 1)
    low, high = QUANTILES[above - 1], QUANTILES[above]
    times = point.quantiles_seconds
    return times[above - 1] + (times[above] - times[above - 1]) * (share - low) / (high - low)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
