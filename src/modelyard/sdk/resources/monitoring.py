"""Monitors and events."""

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import OPERATIONS, Resource, create, delete, pages, read, update
from modelyard.sdk.steps import Flow
from modelyard.types.endpoints import Event
from modelyard.types.monitoring import DriftReport, Monitor

_CHECK_SECONDS = 300.0


class Monitors(Resource[Mode]):
    """Schedules that compare an endpoint's traffic with the data its model was trained on."""

    @call
    def create(
        self,
        name: str,
        endpoint: str,
        *,
        detector: str = "drift",
        interval_seconds: float = 3600.0,
        minimum_rows: int = 100,
        window_rows: int = 1000,
        alarms_per_week: float = 1.0,
        is_enabled: bool = True,
    ) -> Flow[Monitor]:
        """Watch an endpoint.

        Args:
            name: of the monitor.
            endpoint: whose traffic to watch.
            detector: "drift" (inputs and predictions), "input-drift" or "prediction-drift".
            interval_seconds: from one check to the next.
            minimum_rows: fewer rows give no verdict.
            window_rows: how many of the newest rows a check looks at.
            alarms_per_week: false alarms a week that you accept.
            is_enabled: run on schedule; by hand it runs anyway.
        """
        body = {
            "name": name,
            "endpoint": endpoint,
            "detector": detector,
            "interval_seconds": interval_seconds,
            "minimum_rows": minimum_rows,
            "window_rows": window_rows,
            "alarms_per_week": alarms_per_week,
            "is_enabled": is_enabled,
        }
        return create(Monitor, self._path(OPERATIONS, "monitors"), body)

    @call
    def get(self, name: str) -> Flow[Monitor]:
        """A monitor with its last report."""
        return read(Monitor, self._path(OPERATIONS, "monitors", name))

    @call
    def update(
        self,
        name: str,
        *,
        detector: str | None = None,
        interval_seconds: float | None = None,
        minimum_rows: int | None = None,
        window_rows: int | None = None,
        alarms_per_week: float | None = None,
        is_enabled: bool | None = None,
        version: int | None = None,
    ) -> Flow[Monitor]:
        """Change a monitor; what is left out stays. Refused if `version` is given and no longer the monitor's."""
        changes = {
            "detector": detector,
            "interval_seconds": interval_seconds,
            "minimum_rows": minimum_rows,
            "window_rows": window_rows,
            "alarms_per_week": alarms_per_week,
            "is_enabled": is_enabled,
        }
        return update(Monitor, self._path(OPERATIONS, "monitors", name), changes, version)

    @call
    def run(self, name: str) -> Flow[DriftReport]:
        """Check now: a verdict and the sentence that explains it."""
        path = self._path(OPERATIONS, "monitors", name, "run")
        return create(DriftReport, path, None, timeout_seconds=_CHECK_SECONDS)

    @listing
    def reports(self, name: str) -> Pages[DriftReport]:
        """Verdicts, newest first."""
        return pages(DriftReport, self._path(OPERATIONS, "monitors", name, "reports"))

    @call
    def delete(self, name: str) -> Flow[None]:
        """Delete a monitor and its reports."""
        return delete(self._path(OPERATIONS, "monitors", name))

    @listing
    def list(self) -> Pages[Monitor]:
        """Monitors by name."""
        return pages(Monitor, self._path(OPERATIONS, "monitors"))


class Events(Resource[Mode]):
    """What happened, in order."""

    @listing
    def list(self, *, subject: str | None = None, oldest_first: bool = False) -> Pages[Event]:
        """Events, newest first unless said otherwise; `subject` ("endpoint/digits") narrows them down."""
        query = {"subject": subject, "oldest_first": "true" if oldest_first else None}
        return pages(Event, self._path(OPERATIONS, "events"), query)
