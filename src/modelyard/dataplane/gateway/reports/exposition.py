"""Figures in Prometheus' text form; families are built when asked."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from modelyard.dataplane.gateway.reports.metrics import BUCKETS, PoolFigures, PoolKey, Snapshot

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()

_LABELS = ("project", "endpoint", "variant")


def exposition(snapshot: Snapshot) -> bytes:
    """The text for /metrics."""
    registry = CollectorRegistry(auto_describe=False)
    families = [
        *_request_families(snapshot),
        *_pool_families(snapshot.pools),
        GaugeMetricFamily("modelyard_gateway_connections", "Open client connections.", value=snapshot.connections),
        _counter("modelyard_gateway_captures", "Requests handed to the capture spool.", snapshot.captures),
        _counter(
            "modelyard_gateway_captures_dropped", "Captures lost: slow disk or full spool.", snapshot.captures_dropped
        ),
    ]
    registry.register(_Families(families))
    return generate_latest(registry)


class _Families:
    """A collector of families that exist already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _request_families(snapshot: Snapshot) -> Iterator[Metric]:
    requests = CounterMetricFamily("modelyard_inference_requests", "Requests that were answered.", labels=_LABELS)
    rows = CounterMetricFamily("modelyard_inference_rows", "Rows that were answered.", labels=_LABELS)
    failures = CounterMetricFamily(
        "modelyard_inference_failures", "Requests without an answer, by error code.", labels=(*_LABELS, "code")
    )
    latency = HistogramMetricFamily(
        "modelyard_inference_latency_seconds", "From the whole request to its answer.", labels=_LABELS
    )
    for labels, figures in [*snapshot.variants.items(), (("", "", ""), snapshot.refused)]:
        requests.add_metric(labels, figures.requests)
        rows.add_metric(labels, figures.rows)
        bounds = [*map(str, BUCKETS), "+Inf"]
        latency.add_metric(
            labels, list(zip(bounds, accumulate(figures.buckets), strict=True)), sum_value=figures.seconds
        )
        for code, count in figures.failures.items():
            failures.add_metric((*labels, code), count)
    yield from (requests, rows, failures, latency)


def _pool_families(pools: Mapping[PoolKey, PoolFigures]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("modelyard_inference_queue", "Requests that wait for a replica.", labels=_LABELS)
    replicas = GaugeMetricFamily("modelyard_inference_ready_replicas", "Replicas that take requests.", labels=_LABELS)
    batches = CounterMetricFamily("modelyard_inference_batches", "Batches sent to replicas.", labels=_LABELS)
    batched = CounterMetricFamily(
        "modelyard_inference_batched_requests", "Requests sent in those batches.", labels=_LABELS
    )
    nan_rows = CounterMetricFamily(
        "modelyard_inference_nan_rows", "Rows answered with NaN where no golden answer has any.", labels=_LABELS
    )
    for (project, endpoint, variant, _, _), pool in pools.items():
        labels = (project, endpoint, variant)
        waiting.add_metric(labels, pool.waiting)
        replicas.add_metric(labels, pool.ready_replicas)
        batches.add_metric(labels, pool.batches)
        batched.add_metric(labels, pool.batched_requests)
        nan_rows.add_metric(labels, pool.nan_rows)
    yield from (waiting, replicas, batches, batched, nan_rows)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
