"""Rules of monitors: what they are and may be. Running them is `running`'s business."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from modelyard.control.alerts.service import AlertService
from modelyard.control.detectors.service import DetectorService
from modelyard.control.feedback.service import EndpointReader
from modelyard.control.monitors.checking.baselines import ENDPOINT, PREVIOUS_WEEK, TRAINING
from modelyard.control.monitors.errors import (
    BaselineInvalidError,
    MonitorExistsError,
    MonitorNotFoundError,
    MonitorWindowInvalidError,
    NothingToAcknowledgeError,
)
from modelyard.control.monitors.repository import MonitorRepository
from modelyard.control.monitors.schedule import check_schedule, next_run
from modelyard.control.monitors.schemas import MonitorCreate, MonitorUpdate
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.rest.preconditions import check_version
from modelyard.drift.catalog import unknown_detector
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.types.monitoring import DriftReport, Monitor, Verdict


class MonitorService:
    """Creates, changes and shows monitors. Safe from any thread."""

    def __init__(
        self,
        *,
        database: Database,
        repository: MonitorRepository,
        creations: Creations,
        endpoints: EndpointReader,
        detectors: DetectorService,
        alerts: AlertService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._endpoints = endpoints
        self._detectors = detectors
        self._alerts = alerts
        self._clock = clock

    def list(self, project: str, page: PageQuery) -> Page[Monitor]:
        """Monitors by name."""
        with self._database.read() as connection:
            return page.page(self._repository.list(connection, project, page), lambda item: (item.name,))

    def get(self, project: str, name: str) -> Monitor:
        """A monitor.

        Raises:
            MonitorNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return _found(self._repository.get(connection, project, name), name)

    def create(self, project: str, body: MonitorCreate, creation: Creation | None) -> Monitor:
        """A new monitor; its first check is one interval away.

        Raises:
            NameInvalidError, DetectorUnknownError, MonitorWindowInvalidError, ScheduleInvalidError,
            BaselineInvalidError: the request is wrong.
            NotFoundError: no such endpoint or channel.
            MonitorExistsError: the name is taken.
        """
        check_name(body.name)
        self._endpoints.get(project, body.endpoint)
        now = self._clock.now()
        values = {**body.model_dump(), "detectors": tuple(body.detectors), "channels": tuple(body.channels)}
        monitor = self._check(
            Monitor(**values, project=project, last_report=None, created_at=now, updated_at=now, version=1)
        )
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return _found(self._repository.get(connection, project, made), made)
            if self._repository.get(connection, project, monitor.name) is not None:
                raise MonitorExistsError(
                    f"There is a monitor '{monitor.name}' already", hint="Choose another name.", field="name"
                )
            self._repository.insert(connection, monitor, next_run(monitor, now))
            self._creations.record(connection, creation, monitor.name)
        return monitor

    def update(self, project: str, name: str, body: MonitorUpdate, expected_version: int | None) -> Monitor:
        """Change what is given; a new interval counts from now.

        Raises:
            MonitorNotFoundError: there is none.
            DetectorUnknownError, MonitorWindowInvalidError, ScheduleInvalidError, BaselineInvalidError: the change is
                wrong.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        changes = body.changes()
        now = self._clock.now()
        with self._database.transaction() as connection:
            monitor = _found(self._repository.get(connection, project, name), name)
            check_version(f"monitor '{name}'", monitor.version, expected_version)
            changed = self._check(replace(monitor, **changes, updated_at=now, version=monitor.version + 1))
            self._repository.update(connection, changed)
            if _schedule(changed) != _schedule(monitor) or changed.is_enabled > monitor.is_enabled:
                self._repository.schedule(connection, project, name, next_run(changed, now))
        return changed

    def delete(self, project: str, name: str, expected_version: int | None) -> None:
        """Remove a monitor with its reports.

        Raises:
            MonitorNotFoundError: there is none.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        with self._database.transaction() as connection:
            monitor = _found(self._repository.get(connection, project, name), name)
            check_version(f"monitor '{name}'", monitor.version, expected_version)
            self._repository.delete(connection, project, name)

    def reports(self, project: str, name: str, page: PageQuery) -> Page[DriftReport]:
        """The history, the newest first.

        Raises:
            MonitorNotFoundError: there is none.
        """
        with self._database.read() as connection:
            _found(self._repository.get(connection, project, name), name)
            reports = self._repository.reports(connection, project, name, page)
        return page.page(reports, lambda item: (item.at, item.id))

    def silence(self, project: str, name: str, until: datetime | None) -> Monitor:
        """Send no alerts before `until`; None: send them again. Checks and events go on.

        Raises:
            MonitorNotFoundError: there is none.
        """
        return self._changed(project, name, silenced_until=until)

    def acknowledge(self, project: str, name: str) -> Monitor:
        """Take note of the trouble that the last report tells: no reminders while it lasts.

        Raises:
            MonitorNotFoundError: there is none.
            NothingToAcknowledgeError: there is no trouble.
        """
        report = self.get(project, name).last_report
        if report is None or report.verdict not in (Verdict.DRIFT, Verdict.FAILED):
            raise NothingToAcknowledgeError(
                f"Monitor '{name}' tells no trouble", hint="Acknowledge it when its verdict is DRIFT or FAILED."
            )
        return self._changed(project, name, acknowledged=report.id)

    def _changed(self, project: str, name: str, **changes: Any) -> Monitor:
        with self._database.transaction() as connection:
            monitor = _found(self._repository.get(connection, project, name), name)
            changed = replace(monitor, **changes, updated_at=self._clock.now(), version=monitor.version + 1)
            self._repository.update(connection, changed)
        return changed

    def _check(self, monitor: Monitor) -> Monitor:
        """The monitor, if it could ever work."""
        known = self._detectors.names(monitor.project)
        for name in monitor.detectors:
            if name not in known:
                raise unknown_detector(name, known)
        check_schedule(monitor.cron, monitor.every_rows)
        _check_baseline(monitor.baseline)
        if monitor.baseline.startswith(ENDPOINT):
            self._endpoints.get(monitor.project, monitor.baseline.removeprefix(ENDPOINT))
        self._alerts.check_channels(monitor.project, monitor.channels)
        if monitor.window_rows < monitor.minimum_rows:
            raise MonitorWindowInvalidError(
                f"The window of {monitor.window_rows} rows never holds the {monitor.minimum_rows} that a verdict needs",
                hint="Make window_rows at least minimum_rows.",
                field="window_rows",
            )
        return monitor


def _check_baseline(baseline: str) -> None:
    is_endpoint = baseline.startswith(ENDPOINT) and len(baseline) > len(ENDPOINT)
    if baseline not in (TRAINING, PREVIOUS_WEEK) and not is_endpoint:
        raise BaselineInvalidError(
            f"'{baseline[:80]}' is nothing to compare traffic with",
            hint=f"Give '{TRAINING}', '{PREVIOUS_WEEK}' or '{ENDPOINT}NAME'.",
            field="baseline",
        )


def _found(monitor: Monitor | None, name: str) -> Monitor:
    if monitor is None:
        raise MonitorNotFoundError(
            f"There is no monitor '{name}'", hint="GET /operations/v1/projects/<project>/monitors lists them."
        )
    return monitor


def _schedule(monitor: Monitor) -> tuple[float, str | None, int | None]:
    return monitor.interval_seconds, monitor.cron, monitor.every_rows
