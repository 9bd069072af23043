"""One check: the newest traffic of the version that serves, against that version's own reference."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.parquet import concatenate
from modelyard.control.captures.service import CaptureService
from modelyard.control.feedback.service import EndpointReader
from modelyard.control.monitors.errors import NothingServedError
from modelyard.control.monitors.references import References
from modelyard.drift.base import Detection, DetectionSettings
from modelyard.drift.catalog import detector
from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.types.endpoints import Endpoint
from modelyard.types.monitoring import Monitor

_WEEK_SECONDS = 7 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The outcome of a check, and what it looked at."""

    detection: Detection
    version: str
    rows: int
    since: datetime | None
    until: datetime | None


class DriftCheck:
    """Runs checks. Safe from any thread; holds one capture batch in memory at a time."""

    def __init__(self, endpoints: EndpointReader, captures: CaptureService, references: References) -> None:
        self._endpoints = endpoints
        self._captures = captures
        self._references = references

    def run(self, monitor: Monitor) -> Checked:
        """Compare the monitor's window with the reference.

        Raises:
            ModelyardError: it cannot be done; the message says why.
        """
        endpoint = self._endpoints.get(monitor.project, monitor.endpoint)
        version = serving_version(endpoint)
        reference = unmasked(self._references.get(monitor.project, version), endpoint.capture.personal_columns)
        window, since, until = self._window(monitor, version, reference)
        settings = DetectionSettings(
            minimum_rows=monitor.minimum_rows,
            alarms_per_week=monitor.alarms_per_week,
            checks_per_week=_WEEK_SECONDS / monitor.interval_seconds,
        )
        detection = detector(monitor.detector).detect(reference, window, settings)
        return Checked(detection=detection, version=version, rows=window.rows, since=since, until=until)

    def has_news(self, monitor: Monitor) -> bool:
        """False if another check would look at the same rows of the same version as the last one did."""
        last = monitor.last_report
        if last is None or last.until is None:
            return True
        version = serving_version(self._endpoints.get(monitor.project, monitor.endpoint))
        if version != last.model_version:
            return True
        newest = self._captures.newest_at(
            BatchFilter(project=monitor.project, endpoint=monitor.endpoint, version=version)
        )
        return newest is not None and newest > last.until

    def _window(
        self, monitor: Monitor, version: str, reference: ReferenceSketch
    ) -> tuple[WindowSketch, datetime | None, datetime | None]:
        wanted = BatchFilter(project=monitor.project, endpoint=monitor.endpoint, version=version)
        window = WindowSketch(reference)
        since: datetime | None = None
        until: datetime | None = None
        for batch in self._captures.newest(wanted, rows=monitor.window_rows):
            for group, inputs, outputs in concatenate(batch):
                window.add(inputs, outputs)
                times = [item.at for item in group]
                since = min(times) if since is None else min(since, *times)
                until = max(times) if until is None else max(until, *times)
        return window, since, until


def unmasked(reference: ReferenceSketch, personal: Collection[str]) -> ReferenceSketch:
    """The reference without columns whose captures are masked: what was hashed or dropped says nothing of drift."""
    return replace(
        reference,
        numbers={name: sketch for name, sketch in reference.numbers.items() if name not in personal},
        categories={name: sketch for name, sketch in reference.categories.items() if name not in personal},
    )


def serving_version(endpoint: Endpoint) -> str:
    """The version ("digits:2") that takes most of the traffic.

    Raises:
        NothingServedError: none does.
    """
    serving = [variant for variant in endpoint.variants if variant.weight > 0]
    if not serving:
        raise NothingServedError(
            f"Endpoint '{endpoint.name}' has no version with traffic", hint="Deploy a version to it."
        )
    main = max(serving, key=lambda variant: variant.weight)
    return f"{main.model}:{main.number}"
