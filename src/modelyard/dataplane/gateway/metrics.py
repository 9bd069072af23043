"""Figures of the gateway in Prometheus' text form. Plain counters on the hot path; families are built when asked."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()

_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_LABELS = ("project", "endpoint", "variant")


@dataclass(slots=True)
class VariantFigures:
    """What one variant did since the gateway started. `failures` counts by error code."""

    requests: int = 0
    rows: int = 0
    captured: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS) + 1))
    failures: dict[str, int] = field(default_factory=dict)

    def answered(self, seconds: float, rows: int) -> None:
        """One answer."""
        self.requests += 1
        self.rows += rows
        self.seconds += seconds
        self.buckets[bisect_left(_BUCKETS, seconds)] += 1

    def failed(self, code: str) -> None:
        """One request without an answer."""
        self.failures[code] = self.failures.get(code, 0) + 1


class LivePool(Protocol):
    """What a pool shows."""

    name: str
    batches: int
    batched_requests: int
    nan_rows: int

    @property
    def depth(self) -> int:
        """Requests that wait."""

    @property
    def ready_replicas(self) -> int:
        """Replicas that take requests."""


class Metrics:
    """Figures by (project, endpoint, variant); requests that never reached a variant are counted with empty labels."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str, str], VariantFigures] = {}
        self.refused = VariantFigures()

    def of(self, project: str, endpoint: str, variant: str) -> VariantFigures:
        """The figures of a variant; the same object for the same names."""
        return self._figures.setdefault((project, endpoint, variant), VariantFigures())

    def forget_all_but(self, keys: Iterable[tuple[str, str, str]]) -> None:
        """Drop the figures of variants that left the table, so that they do not grow with every rollout."""
        kept = set(keys)
        self._figures = {key: figures for key, figures in self._figures.items() if key in kept}

    def render(self, pools: Iterable[tuple[str, str, LivePool]], connections: int, spooled: int, dropped: int) -> bytes:
        """The exposition text; `pools` are (project, endpoint, pool)."""
        registry = CollectorRegistry(auto_describe=False)
        families = [
            *self._request_families(),
            *_pool_families(pools),
            _gauge("modelyard_gateway_connections", "Open client connections.", connections),
            _counter("modelyard_gateway_captures", "Requests handed to the capture spool.", spooled),
            _counter("modelyard_gateway_captures_dropped", "Captures lost: slow disk or full spool.", dropped),
        ]
        registry.register(_Families(families))
        return generate_latest(registry)

    def _request_families(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("modelyard_inference_requests", "Requests that were answered.", labels=_LABELS)
        rows = CounterMetricFamily("modelyard_inference_rows", "Rows that were answered.", labels=_LABELS)
        failures = CounterMetricFamily(
            "modelyard_inference_failures", "Requests without an answer, by error code.", labels=(*_LABELS, "code")
        )
        latency = HistogramMetricFamily(
            "modelyard_inference_latency_seconds", "From the whole request to its answer.", labels=_LABELS
        )
        for labels, figures in [*self._figures.items(), (("", "", ""), self.refused)]:
            requests.add_metric(labels, figures.requests)
            rows.add_metric(labels, figures.rows)
            bounds = [*map(str, _BUCKETS), "+Inf"]
            latency.add_metric(
                labels, list(zip(bounds, accumulate(figures.buckets), strict=True)), sum_value=figures.seconds
            )
            for code, count in figures.failures.items():
                failures.add_metric((*labels, code), count)
        yield from (requests, rows, failures, latency)


class _Families:
    """A collector of families that exist already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _pool_families(pools: Iterable[tuple[str, str, LivePool]]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("modelyard_inference_queue", "Requests that wait for a replica.", labels=_LABELS)
    replicas = GaugeMetricFamily("modelyard_inference_ready_replicas", "Replicas that take requests.", labels=_LABELS)
    batches = CounterMetricFamily("modelyard_inference_batches", "Batches sent to replicas.", labels=_LABELS)
    batched = CounterMetricFamily(
        "modelyard_inference_batched_requests", "Requests sent in those batches.", labels=_LABELS
    )
    nan_rows = CounterMetricFamily(
        "modelyard_inference_nan_rows", "Rows answered with NaN where no golden answer has any.", labels=_LABELS
    )
    for project, endpoint, pool in pools:
        labels = (project, endpoint, pool.name)
        waiting.add_metric(labels, pool.depth)
        replicas.add_metric(labels, pool.ready_replicas)
        batches.add_metric(labels, pool.batches)
        batched.add_metric(labels, pool.batched_requests)
        nan_rows.add_metric(labels, pool.nan_rows)
    yield from (waiting, replicas, batches, batched, nan_rows)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
