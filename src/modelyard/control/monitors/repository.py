"""All SQL of monitors and their reports."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from modelyard.control.monitors.tables import drift_reports, monitor_memories, monitors
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.monitoring import DriftReport, Monitor


class MonitorRepository:
    """Rows of `monitors` and `drift_reports` as Monitor and DriftReport."""

    def get(self, connection: Connection, project: str, name: str) -> Monitor | None:
        """A monitor, if there is one of this name."""
        row = connection.execute(select(monitors).where(*_key(project, name))).mappings().one_or_none()
        return None if row is None else _monitor(row)

    def list(self, connection: Connection, project: str, page: PageQuery) -> list[Monitor]:
        """Monitors by name."""
        statement = keyset(
            select(monitors).where(monitors.c.project == project), [monitors.c.name], page.after, page.limit
        )
        return [_monitor(row) for row in connection.execute(statement).mappings()]

    def insert(self, connection: Connection, monitor: Monitor, next_run_at: datetime) -> None:
        """Add a monitor; its name must be free."""
        connection.execute(insert(monitors).values(**_values(monitor), next_run_at=next_run_at))

    def update(self, connection: Connection, monitor: Monitor) -> None:
        """Replace what may change, except the schedule."""
        connection.execute(update(monitors).where(*_key(monitor.project, monitor.name)).values(_values(monitor)))

    def delete(self, connection: Connection, project: str, name: str) -> None:
        """Remove a monitor with its reports."""
        connection.execute(delete(monitors).where(*_key(project, name)))

    def due(self, connection: Connection, now: datetime) -> Sequence[tuple[Monitor, datetime]]:
        """Enabled monitors whose time has come, with the time that they were due at."""
        statement = select(monitors).where(monitors.c.is_enabled, monitors.c.next_run_at <= now)
        rows = connection.execute(statement.order_by(monitors.c.next_run_at)).mappings().all()
        return [(_monitor(row), row["next_run_at"]) for row in rows]

    def schedule(self, connection: Connection, project: str, name: str, next_run_at: datetime) -> None:
        """Set when the next check is due."""
        connection.execute(update(monitors).where(*_key(project, name)).values(next_run_at=next_run_at))

    def acknowledge(self, connection: Connection, project: str, name: str, report: str | None) -> None:
        """Note which report somebody has taken note of."""
        connection.execute(update(monitors).where(*_key(project, name)).values(acknowledged=report))

    def alerted_at(self, connection: Connection, project: str, name: str) -> datetime | None:
        """When the last alert of a monitor went out."""
        return connection.execute(select(monitors.c.alerted_at).where(*_key(project, name))).scalar_one_or_none()

    def set_alerted(self, connection: Connection, project: str, name: str, at: datetime) -> None:
        """Note when an alert went out."""
        connection.execute(update(monitors).where(*_key(project, name)).values(alerted_at=at))

    def memory(self, connection: Connection, project: str, monitor: str, model_version: str) -> str | None:
        """What a monitor remembers of a version."""
        where = _memory(project, monitor, model_version)
        return connection.execute(select(monitor_memories.c.content).where(*where)).scalar_one_or_none()

    def remember(self, connection: Connection, project: str, monitor: str, model_version: str, content: str) -> None:
        """Replace what a monitor remembers of a version."""
        connection.execute(delete(monitor_memories).where(*_memory(project, monitor, model_version)))
        connection.execute(
            insert(monitor_memories).values(
                project=project, monitor=monitor, model_version=model_version, content=content
            )
        )

    def report(self, connection: Connection, report_id: str) -> DriftReport | None:
        """A report by id."""
        return connection.execute(
            select(drift_reports.c.report).where(drift_reports.c.id == report_id)
        ).scalar_one_or_none()

    def add_report(self, connection: Connection, project: str, report: DriftReport, *, keep: int) -> None:
        """Add a report, make it the monitor's last one, and forget all but the newest `keep`."""
        connection.execute(
            insert(drift_reports).values(
                id=report.id,
                project=project,
                monitor=report.monitor,
                at=report.at,
                verdict=report.verdict,
                sentence=report.sentence,
                report=report,
            )
        )
        connection.execute(update(monitors).where(*_key(project, report.monitor)).values(last_report=report))
        table = drift_reports.c
        own = (table.project == project, table.monitor == report.monitor)
        oldest = select(table.at).where(*own).order_by(table.at.desc()).offset(keep).limit(1)
        limit = connection.execute(oldest).scalar_one_or_none()
        if limit is not None:
            connection.execute(delete(drift_reports).where(*own, table.at <= limit))

    def reports(self, connection: Connection, project: str, monitor: str, page: PageQuery) -> Sequence[DriftReport]:
        """Reports, the newest first."""
        table = drift_reports.c
        statement = select(table.report, table.at, table.id).where(table.project == project, table.monitor == monitor)
        statement = keyset(statement, [table.at, table.id], page.after, page.limit, descending=True)
        return [row.report for row in connection.execute(statement)]


def _key(project: str, name: str) -> tuple[Any, Any]:
    return monitors.c.project == project, monitors.c.name == name


def _memory(project: str, monitor: str, model_version: str) -> tuple[Any, Any, Any]:
    table = monitor_memories.c
    return table.project == project, table.monitor == monitor, table.model_version == model_version


def _monitor(row: RowMapping) -> Monitor:
    return Monitor(**{name: value for name, value in row.items() if name not in ("next_run_at", "alerted_at")})


def _values(monitor: Monitor) -> dict[str, Any]:
    return {**asdict(monitor), "last_report": monitor.last_report}
