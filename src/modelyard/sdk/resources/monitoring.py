"""Monitors, detectors and events."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import OPERATIONS, Resource, act, create, delete, pages, put, read, update
from modelyard.sdk.steps import Flow
from modelyard.types.endpoints import Event
from modelyard.types.monitoring import DetectorDescription, DriftReport, Monitor

_CHECK_SECONDS = 300.0
_PULL_SECONDS = 3600.0  # what the platform may take for an image, and more


class Monitors(Resource[Mode]):
    """Schedules that compare an endpoint's traffic with the data its model was trained on."""

    @call
    def create(
        self,
        name: str,
        endpoint: str,
        *,
        detectors: Sequence[str] = ("drift",),
        interval_seconds: float = 3600.0,
        cron: str | None = None,
        every_rows: int | None = None,
        baseline: str = "training",
        minimum_rows: int = 100,
        window_rows: int = 1000,
        alarms_per_week: float = 1.0,
        channels: Sequence[str] = (),
        is_enabled: bool = True,
    ) -> Flow[Monitor]:
        """Watch an endpoint.

        Args:
            name: of the monitor.
            endpoint: whose traffic to watch.
            detectors: "drift" (inputs and predictions), "input-drift", "prediction-drift", "multivariate-drift",
                "estimated-quality", "quality", or names of your own (`client.detectors`).
            interval_seconds: from one check to the next.
            cron: times of the checks in UTC instead ("0 6 * * 1-5").
            every_rows: check after so many new rows instead.
            baseline: "training", "previous-week" or "endpoint/NAME".
            minimum_rows: fewer rows give no verdict.
            window_rows: how many of the newest rows a check looks at.
            alarms_per_week: false alarms a week that you accept.
            channels: alert channels to tell (`client.alerts`).
            is_enabled: run on schedule; by hand it runs anyway.
        """
        body = {
            "name": name,
            "endpoint": endpoint,
            "detectors": list(detectors),
            "interval_seconds": interval_seconds,
            "cron": cron,
            "every_rows": every_rows,
            "baseline": baseline,
            "minimum_rows": minimum_rows,
            "window_rows": window_rows,
            "alarms_per_week": alarms_per_week,
            "channels": list(channels),
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
        detectors: Sequence[str] | None = None,
        interval_seconds: float | None = None,
        cron: str | None = None,
        every_rows: int | None = None,
        baseline: str | None = None,
        minimum_rows: int | None = None,
        window_rows: int | None = None,
        alarms_per_week: float | None = None,
        channels: Sequence[str] | None = None,
        is_enabled: bool | None = None,
        version: int | None = None,
    ) -> Flow[Monitor]:
        """Change a monitor; what is left out stays. Refused if `version` is given and no longer the monitor's."""
        changes = {
            "detectors": None if detectors is None else list(detectors),
            "interval_seconds": interval_seconds,
            "cron": cron,
            "every_rows": every_rows,
            "baseline": baseline,
            "minimum_rows": minimum_rows,
            "window_rows": window_rows,
            "alarms_per_week": alarms_per_week,
            "channels": None if channels is None else list(channels),
            "is_enabled": is_enabled,
        }
        return update(Monitor, self._path(OPERATIONS, "monitors", name), changes, version)

    @call
    def run(self, name: str) -> Flow[DriftReport]:
        """Check now: a verdict and the sentence that explains it."""
        path = self._path(OPERATIONS, "monitors", name, "run")
        return create(DriftReport, path, None, timeout_seconds=_CHECK_SECONDS)

    @call
    def silence(self, name: str, until: datetime | None) -> Flow[Monitor]:
        """Send no alerts before a moment (with a time zone); None: send them again. Checks and events go on."""
        body = {"until": None if until is None else until.isoformat()}
        return act(Monitor, self._path(OPERATIONS, "monitors", name, "silence"), body)

    @call
    def acknowledge(self, name: str) -> Flow[Monitor]:
        """Take note of the trouble: no reminders while it lasts."""
        return act(Monitor, self._path(OPERATIONS, "monitors", name, "acknowledge"))

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


class Detectors(Resource[Mode]):
    """What monitors can look for: what is built in, and Python files and images of your own."""

    @call
    def upload(self, name: str, file: str | Path, *, description: str = "") -> Flow[DetectorDescription]:
        """Keep a Python file with one subclass of `modelyard.drift.base.Detector`; the project must permit code.

        It runs in a sandbox without network. A file of the same name is replaced.
        """
        body = {"source": Path(file).read_text(encoding="utf-8"), "description": description}
        return put(DetectorDescription, self._path(OPERATIONS, "detectors", name), body)

    @call
    def use_image(
        self, name: str, image: str, *, command: Sequence[str] = (), description: str = ""
    ) -> Flow[DetectorDescription]:
        """Have an image be a detector; the project must permit code. What its reference means now is what will run.

        Args:
            name: what monitors call it.
            image: its reference; it reads the files of a check in its working directory and writes `result.json`.
            command: what it runs; what the image says if left out.
            description: what it looks for.
        """
        body = {"image": image, "command": list(command), "description": description}
        path = self._path(OPERATIONS, "detectors", name)
        return put(DetectorDescription, path, body, timeout_seconds=_PULL_SECONDS)

    @call
    def get(self, name: str) -> Flow[DetectorDescription]:
        """A detector of your own, with its source or its image."""
        return read(DetectorDescription, self._path(OPERATIONS, "detectors", name))

    @call
    def list(self) -> Flow[tuple[DetectorDescription, ...]]:
        """All that monitors can name."""
        return read(tuple[DetectorDescription, ...], self._path(OPERATIONS, "detectors"))

    @call
    def delete(self, name: str) -> Flow[None]:
        """Delete a detector of your own; monitors that still name it say that they cannot run."""
        return delete(self._path(OPERATIONS, "detectors", name))


class Events(Resource[Mode]):
    """What happened, in order."""

    @listing
    def list(self, *, subject: str | None = None, oldest_first: bool = False) -> Pages[Event]:
        """Events, newest first unless said otherwise; `subject` ("endpoint/digits") narrows them down."""
        query = {"subject": subject, "oldest_first": "true" if oldest_first else None}
        return pages(Event, self._path(OPERATIONS, "events"), query)
