"""Rules of monitors: what they are, when they run, and what becomes of their verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from modelyard.control.events.service import EventService
from modelyard.control.feedback.service import EndpointReader
from modelyard.control.monitors.checks import DriftCheck
from modelyard.control.monitors.errors import MonitorExistsError, MonitorNotFoundError, MonitorWindowInvalidError
from modelyard.control.monitors.repository import MonitorRepository
from modelyard.control.monitors.schemas import MonitorCreate, MonitorUpdate
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.rest.preconditions import check_version
from modelyard.drift.catalog import detector
from modelyard.errors import ModelyardError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name, derived_id, new_id
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.monitoring import DriftReport, Monitor, Verdict

_KEPT_REPORTS = 2000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A check whose time has come: `slot` is the time it was due at, and names it."""

    project: str
    monitor: str
    slot: datetime


class MonitorService:
    """Creates, changes, runs and schedules monitors. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        repository: MonitorRepository,
        creations: Creations,
        endpoints: EndpointReader,
        check: DriftCheck,
        events: EventService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._endpoints = endpoints
        self._check = check
        self._events = events
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
            NameInvalidError, DetectorUnknownError, MonitorWindowInvalidError: the request is wrong.
            NotFoundError: no such endpoint.
            MonitorExistsError: the name is taken.
        """
        check_name(body.name)
        self._endpoints.get(project, body.endpoint)
        now = self._clock.now()
        monitor = _checked(
            Monitor(**body.model_dump(), project=project, last_report=None, created_at=now, updated_at=now, version=1)
        )
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return _found(self._repository.get(connection, project, made), made)
            if self._repository.get(connection, project, monitor.name) is not None:
                raise MonitorExistsError(
                    f"There is a monitor '{monitor.name}' already", hint="Choose another name.", field="name"
                )
            self._repository.insert(connection, monitor, now + timedelta(seconds=monitor.interval_seconds))
            self._creations.record(connection, creation, monitor.name)
        return monitor

    def update(self, project: str, name: str, body: MonitorUpdate, expected_version: int | None) -> Monitor:
        """Change what is given; a new interval counts from now.

        Raises:
            MonitorNotFoundError: there is none.
            DetectorUnknownError, MonitorWindowInvalidError: the change is wrong.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        changes: dict[str, Any] = {key: value for key, value in body.model_dump().items() if value is not None}
        now = self._clock.now()
        with self._database.transaction() as connection:
            monitor = _found(self._repository.get(connection, project, name), name)
            check_version(f"monitor '{name}'", monitor.version, expected_version)
            changed = _checked(replace(monitor, **changes, updated_at=now, version=monitor.version + 1))
            self._repository.update(connection, changed)
            if changed.interval_seconds != monitor.interval_seconds or changed.is_enabled > monitor.is_enabled:
                next_run_at = now + timedelta(seconds=changed.interval_seconds)
                self._repository.schedule(connection, project, name, next_run_at)
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

    def run(self, project: str, name: str, creation: Creation | None = None) -> DriftReport:
        """Check now, whatever the schedule. A check that cannot be done is a report too, with the verdict FAILED.

        Raises:
            MonitorNotFoundError: there is none.
        """
        report_id = new_id("report") if creation is None else derived_id("report", creation.key)
        return self._run(self.get(project, name), report_id)

    def due(self) -> Sequence[DueCheck]:
        """The checks whose time has come. Those with nothing new to look at are put off by one interval."""
        with self._database.read() as connection:
            waiting = self._repository.due(connection, self._clock.now())
        due = []
        for monitor, slot in waiting:
            check = DueCheck(monitor.project, monitor.name, slot)
            if self._has_news(monitor):
                due.append(check)
            else:
                self.put_off(check)
        return due

    def put_off(self, check: DueCheck) -> None:
        """Schedule the next check. Checks that were missed (the machine was off) are not made up for."""
        with self._database.transaction() as connection:
            monitor = self._repository.get(connection, check.project, check.monitor)
            if monitor is not None:
                interval = timedelta(seconds=monitor.interval_seconds)
                next_run_at = max(check.slot + interval, self._clock.now() + interval / 2)
                self._repository.schedule(connection, check.project, check.monitor, next_run_at)

    def run_due(self, check: DueCheck) -> None:
        """Do a scheduled check once: a second call for the same slot does nothing."""
        with self._database.read() as connection:
            monitor = self._repository.get(connection, check.project, check.monitor)
        if monitor is not None:
            report_id = derived_id("report", check.project, check.monitor, check.slot.isoformat())
            self._run(monitor, report_id, is_scheduled=True)

    def _has_news(self, monitor: Monitor) -> bool:
        try:
            return self._check.has_news(monitor)
        except ModelyardError:
            return True  # the check meets the same error, and its report says so

    def _run(self, monitor: Monitor, report_id: str, *, is_scheduled: bool = False) -> DriftReport:
        with self._database.read() as connection:
            made = self._repository.report(connection, report_id)
        if made is not None:
            return made
        report = self._report(monitor, report_id)
        if is_scheduled and _says_the_same(monitor.last_report, report):
            return report
        with self._database.transaction() as connection:
            made = self._repository.report(connection, report_id)
            present = self._repository.get(connection, monitor.project, monitor.name)
            if made is None and present is not None:
                self._repository.add_report(connection, monitor.project, report, keep=_KEPT_REPORTS)
                self._announce(connection, present, report)
        return made or report

    def _report(self, monitor: Monitor, report_id: str) -> DriftReport:
        blank = DriftReport(
            id=report_id,
            monitor=monitor.name,
            endpoint=monitor.endpoint,
            model_version="",
            at=self._clock.now(),
            verdict=Verdict.FAILED,
            sentence="",
            rows=0,
        )
        try:
            checked = self._check.run(monitor)
        except ModelyardError as error:
            return replace(blank, sentence=f"The monitor could not run: {error.message}. {error.hint}".strip())
        except Exception as error:  # noqa: BLE001 - a detector's defect must not pass for a quiet week
            _log.exception("monitor failed", monitor=monitor.name, project=monitor.project)
            return replace(blank, sentence=f"The monitor could not run: {type(error).__name__}: {error}")
        return replace(
            blank,
            model_version=checked.version,
            verdict=checked.detection.verdict,
            sentence=checked.detection.sentence,
            rows=checked.rows,
            findings=checked.detection.findings,
            since=checked.since,
            until=checked.until,
        )

    def _announce(self, connection: Connection, monitor: Monitor, report: DriftReport) -> None:
        """An event when the verdict changes; the same verdict again is no news."""
        before = monitor.last_report.verdict if monitor.last_report else Verdict.INSUFFICIENT
        kinds = {Verdict.DRIFT: "drift_found", Verdict.FAILED: "monitor_failed"}
        was_bad = before in kinds
        kind = kinds.get(report.verdict) or ("drift_ended" if was_bad else None)
        if kind is None or before is report.verdict or report.verdict is Verdict.INSUFFICIENT:
            return
        details = {"report": report.id, "monitor": monitor.name, "version": report.model_version}
        subject = f"endpoint/{monitor.endpoint}"
        self._events.append(monitor.project, subject, kind, report.sentence, details, connection=connection)


def _says_the_same(last: DriftReport | None, report: DriftReport) -> bool:
    """True for a check that still cannot be done, for the same reason: that is said once."""
    has_no_verdict = report.verdict in (Verdict.FAILED, Verdict.INSUFFICIENT)
    return last is not None and has_no_verdict and (last.verdict, last.sentence) == (report.verdict, report.sentence)


def _checked(monitor: Monitor) -> Monitor:
    detector(monitor.detector)
    if monitor.window_rows < monitor.minimum_rows:
        raise MonitorWindowInvalidError(
            f"The window of {monitor.window_rows} rows never holds the {monitor.minimum_rows} that a verdict needs",
            hint="Make window_rows at least minimum_rows.",
            field="window_rows",
        )
    return monitor


def _found(monitor: Monitor | None, name: str) -> Monitor:
    if monitor is None:
        raise MonitorNotFoundError(
            f"There is no monitor '{name}'", hint="GET /operations/v1/projects/<project>/monitors lists them."
        )
    return monitor
