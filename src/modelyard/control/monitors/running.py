"""Runs monitors: which are due, what a check says, and who is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from modelyard.control.alerts.service import AlertService
from modelyard.control.events.service import EventService
from modelyard.control.monitors.checking.check import Checked, MonitorCheck
from modelyard.control.monitors.errors import MonitorNotFoundError
from modelyard.control.monitors.repository import MonitorRepository
from modelyard.control.monitors.schedule import checks_per_week, following_run
from modelyard.errors import ModelyardError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import derived_id, new_id
from modelyard.storage.creations import Creation
from modelyard.storage.database import Connection, Database
from modelyard.types.monitoring import Alert, AlertKind, DriftReport, Monitor, Verdict

_KEPT_REPORTS = 2000
_REMIND_AFTER = timedelta(hours=24)
_EVENTS = {Verdict.DRIFT: "drift_found", Verdict.FAILED: "monitor_failed"}
_ALERTS = {Verdict.DRIFT: AlertKind.DRIFT, Verdict.FAILED: AlertKind.FAILED}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A check whose time has come: `slot` is the time it was due at, and names it."""

    project: str
    monitor: str
    slot: datetime


class MonitorRunner:
    """Runs checks by hand and by schedule. Safe from any thread."""

    def __init__(
        self,
        *,
        database: Database,
        repository: MonitorRepository,
        check: MonitorCheck,
        events: EventService,
        alerts: AlertService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._check = check
        self._events = events
        self._alerts = alerts
        self._clock = clock

    def run(self, project: str, name: str, creation: Creation | None = None) -> DriftReport:
        """Check now, whatever the schedule. A check that cannot be done is a report too, with the verdict FAILED.

        Raises:
            MonitorNotFoundError: there is none.
        """
        with self._database.read() as connection:
            monitor = self._repository.get(connection, project, name)
        if monitor is None:
            raise MonitorNotFoundError(
                f"There is no monitor '{name}'", hint="GET /operations/v1/projects/<project>/monitors lists them."
            )
        report_id = new_id("report") if creation is None else derived_id("report", creation.key)
        return self._run(monitor, report_id)

    def due(self) -> Sequence[DueCheck]:
        """The checks whose time has come. Those with nothing new to look at are put off."""
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
        """Schedule the next check."""
        with self._database.transaction() as connection:
            monitor = self._repository.get(connection, check.project, check.monitor)
            if monitor is not None:
                next_run_at = following_run(monitor, check.slot, self._clock.now())
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
            if monitor.every_rows is not None:
                last = monitor.last_report
                since = last.at if last else monitor.created_at
                return self._check.rows_since(monitor, since) >= monitor.every_rows
            version = self._check.version(monitor)
            return self._check.has_news(monitor, self._memory(monitor, version))
        except ModelyardError:
            return True  # the check meets the same error, and its report says so

    def _memory(self, monitor: Monitor, version: str) -> str | None:
        with self._database.read() as connection:
            return self._repository.memory(connection, monitor.project, monitor.name, version)

    def _run(self, monitor: Monitor, report_id: str, *, is_scheduled: bool = False) -> DriftReport:
        with self._database.read() as connection:
            made = self._repository.report(connection, report_id)
        if made is not None:
            return made
        report, checked = self._report(monitor, report_id)
        is_repetition = is_scheduled and _says_the_same(monitor.last_report, report)
        with self._database.transaction() as connection:
            made = self._repository.report(connection, report_id)
            present = self._repository.get(connection, monitor.project, monitor.name)
            if made is None and present is not None:
                if checked is not None and checked.memory is not None:
                    self._repository.remember(
                        connection, monitor.project, monitor.name, checked.version, checked.memory
                    )
                self._tell(connection, present, report)
                if not is_repetition:
                    self._repository.add_report(connection, monitor.project, report, keep=_KEPT_REPORTS)
        return made or report

    def _report(self, monitor: Monitor, report_id: str) -> tuple[DriftReport, Checked | None]:
        now = self._clock.now()
        blank = DriftReport(
            id=report_id,
            monitor=monitor.name,
            endpoint=monitor.endpoint,
            model_version="",
            at=now,
            verdict=Verdict.FAILED,
            sentence="",
            rows=0,
        )
        try:
            version = self._check.version(monitor)
            last_week = self._check.rows_since(monitor, now - timedelta(days=7)) if monitor.every_rows else 0
            rate = checks_per_week(monitor, now, last_week)
            checked = self._check.run(monitor, version, self._memory(monitor, version), rate)
        except ModelyardError as error:
            return replace(blank, sentence=f"The monitor could not run: {error.message}. {error.hint}".strip()), None
        except Exception as error:  # noqa: BLE001 - a detector's defect must not pass for a quiet week
            _log.exception("monitor failed", monitor=monitor.name, project=monitor.project)
            return replace(blank, sentence=f"The monitor could not run: {type(error).__name__}: {error}"), None
        report = replace(
            blank,
            model_version=checked.version,
            verdict=checked.detection.verdict,
            sentence=checked.detection.sentence,
            rows=checked.rows,
            findings=checked.detection.findings,
            since=checked.since,
            until=checked.until,
        )
        return report, checked

    def _tell(self, connection: Connection, monitor: Monitor, report: DriftReport) -> None:
        """An event and an alert when the verdict changes; while trouble lasts, a reminder a day until acknowledged."""
        before = monitor.last_report.verdict if monitor.last_report else Verdict.INSUFFICIENT
        if report.verdict is Verdict.INSUFFICIENT:
            return
        if before is not report.verdict:
            event = _EVENTS.get(report.verdict) or ("drift_ended" if before in _EVENTS else None)
            if event is None:
                return
            details = {"report": report.id, "monitor": monitor.name, "version": report.model_version}
            subject = f"endpoint/{monitor.endpoint}"
            self._events.append(monitor.project, subject, event, report.sentence, details, connection=connection)
            self._repository.acknowledge(connection, monitor.project, monitor.name, None)
            self._alert(connection, monitor, report, _ALERTS.get(report.verdict, AlertKind.ENDED))
        elif report.verdict in _ALERTS and monitor.acknowledged is None:
            alerted_at = self._repository.alerted_at(connection, monitor.project, monitor.name)
            if alerted_at is not None and report.at - alerted_at >= _REMIND_AFTER:
                self._alert(connection, monitor, report, AlertKind.REMINDER)

    def _alert(self, connection: Connection, monitor: Monitor, report: DriftReport, kind: AlertKind) -> None:
        """To the monitor's channels; while it is silenced nothing is sent, and a reminder follows afterwards."""
        is_silent = monitor.silenced_until is not None and monitor.silenced_until > report.at
        self._repository.set_alerted(
            connection, monitor.project, monitor.name, report.at - _REMIND_AFTER if is_silent else report.at
        )
        if is_silent:
            return
        alert = Alert(
            kind=kind,
            project=monitor.project,
            monitor=monitor.name,
            endpoint=monitor.endpoint,
            verdict=report.verdict,
            message=report.sentence,
            report=report.id,
            at=report.at,
        )
        self._alerts.send(connection, monitor.channels, alert)


def _says_the_same(last: DriftReport | None, report: DriftReport) -> bool:
    """True for a check that still cannot be done, for the same reason: that is said once."""
    has_no_verdict = report.verdict in (Verdict.FAILED, Verdict.INSUFFICIENT)
    return last is not None and has_no_verdict and (last.verdict, last.sentence) == (report.verdict, report.sentence)
