"""Values of metrics, for some hours and ten seconds apart."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.alarms.records import BUCKET_SECONDS, Metric, Series, Statistics
from modelyard.control.hosting.records import of_content, to_content
from modelyard.kit.clock import Clock
from modelyard.types.foreign.documents import Document

KEPT = timedelta(hours=3)
_KIND = "metric-series"


class MetricSeries:
    """Keeps them. Safe from any thread."""

    def __init__(self, documents: DocumentService, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    def add(
        self, project: str, metric: Metric, statistics: Statistics, at: datetime | None = None, unit: str = ""
    ) -> None:
        """Count values of a moment (None: now); those older than `KEPT` are forgotten."""
        now = self._clock.now()
        oldest = (now - KEPT).timestamp()
        bucket = _bucket(at or now)

        def change(content: dict[str, object]) -> dict[str, object]:
            series = of_content(content, Series)
            buckets = {start: each for start, each in series.buckets.items() if start >= oldest}
            before = buckets.get(bucket)
            buckets[bucket] = statistics if before is None else before.plus(statistics)
            return to_content(Series(metric=metric, unit=unit or series.unit, buckets=buckets))

        name = _name(metric)
        if self._documents.find(_KIND, project, name) is None:
            with suppress(DocumentExistsError):  # somebody else was quicker
                self._documents.create(_KIND, project, name, to_content(Series(metric=metric)))
        self._documents.update(_KIND, project, name, change)

    def list(self, project: str) -> Iterator[Series]:
        """Every metric that has values."""
        for document in self._documents.every(_KIND, project):
            yield _series(document)

    def periods(
        self, project: str, metric: Metric, start: datetime, end: datetime, period_seconds: int
    ) -> tuple[str, dict[datetime, Statistics]]:
        """The unit, and by the start of a period the statistics of those from `start` to before `end` that have any."""
        document = self._documents.find(_KIND, project, _name(metric))
        if document is None:
            return "None", {}
        series = _series(document)
        first, last = start.timestamp(), end.timestamp()
        found: dict[datetime, Statistics] = {}
        for bucket, statistics in sorted(series.buckets.items()):
            if first <= bucket < last:
                place = start + timedelta(seconds=(bucket - first) // period_seconds * period_seconds)
                found[place] = found[place].plus(statistics) if place in found else statistics
        return series.unit, found


def _series(document: Document) -> Series:
    return of_content(document.content, Series)


def _name(metric: Metric) -> str:
    told = json.dumps([metric.namespace, metric.name, metric.dimensions])
    return hashlib.sha256(told.encode()).hexdigest()


def _bucket(at: datetime) -> int:
    return int(at.timestamp()) // BUCKET_SECONDS * BUCKET_SECONDS
