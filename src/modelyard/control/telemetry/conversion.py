"""Prometheus' families as OpenTelemetry's metrics."""

from collections.abc import Iterable
from typing import Any

from prometheus_client.metrics_core import Metric as Family


def metrics_data(families: Iterable[Family], resource: Any, start_ns: int, now_ns: int) -> Any:
    """All families as one MetricsData; counters and histograms are cumulative since `start_ns`."""
    from opentelemetry.sdk.metrics.export import Metric, MetricsData, ResourceMetrics, ScopeMetrics  # noqa: PLC0415
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415 - an extra

    metrics = [
        Metric(name=family.name, description=family.documentation, unit=family.unit, data=data)
        for family in families
        if (data := _data(family, start_ns, now_ns)) is not None
    ]
    scope = ScopeMetrics(scope=InstrumentationScope("modelyard"), metrics=metrics, schema_url="")
    return MetricsData(resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])


def _data(family: Family, start_ns: int, now_ns: int) -> Any:
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415 - an extra
        AggregationTemporality,
        Gauge,
        Histogram,
        NumberDataPoint,
        Sum,
    )

    if family.type == "histogram":
        points = list(_histograms(family, start_ns, now_ns))
        return Histogram(points, AggregationTemporality.CUMULATIVE) if points else None
    numbers = [
        NumberDataPoint(
            attributes=dict(sample.labels), start_time_unix_nano=start_ns, time_unix_nano=now_ns, value=sample.value
        )
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    if not numbers:
        return None
    if family.type == "counter":
        return Sum(numbers, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return Gauge(numbers)


def _histograms(family: Family, start_ns: int, now_ns: int) -> Iterable[Any]:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint  # noqa: PLC0415 - an extra

    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in family.samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    for labels, found in buckets.items():
        ordered = sorted(found)
        cumulative = [int(count) for _, count in ordered]
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=start_ns,
            time_unix_nano=now_ns,
            count=cumulative[-1],
            sum=sums.get(labels, 0.0),
            bucket_counts=[count - before for before, count in zip([0, *cumulative], cumulative, strict=False)],
            explicit_bounds=[bound for bound, _ in ordered[:-1]],
            min=None,  # type: ignore[arg-type] # Prometheus does not know it; the field is optional on the wire
            max=None,  # type: ignore[arg-type]
        )
