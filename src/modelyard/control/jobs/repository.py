"""All SQL of jobs."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from modelyard.control.jobs.tables import automl_reports, job_findings, job_runs, jobs, metric_points
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.automl.reports import AutoMLReport
from modelyard.types.debugging.rules import Finding, RuleAction
from modelyard.types.experiments.tracking import JobRun
from modelyard.types.jobs import OUTPUT_BYTES, Job, JobKind, JobStatus, MetricPoint


class JobRepository:
    """Reads and writes job rows. Every method runs in the caller's transaction."""

    def insert(self, connection: Connection, job: Job) -> None:
        """Add a job."""
        connection.execute(insert(jobs).values(id=job.id, project=job.project, kind=job.kind, **_columns(job)))

    def get(self, connection: Connection, project: str, job_id: str) -> Job | None:
        """A job of this project."""
        query = select(jobs.c.record).where(jobs.c.project == project, jobs.c.id == job_id)
        return connection.execute(query).scalar_one_or_none()

    def find(self, connection: Connection, job_id: str) -> Job | None:
        """A job of any project, for the workflow that carries it."""
        return connection.execute(select(jobs.c.record).where(jobs.c.id == job_id)).scalar_one_or_none()

    def save(self, connection: Connection, job: Job) -> None:
        """Write a changed job."""
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(**_columns(job)))

    def list(
        self,
        connection: Connection,
        project: str,
        *,
        status: JobStatus | None,
        kind: JobKind | None,
        page: PageQuery,
    ) -> Sequence[Job]:
        """Newest first."""
        query = select(jobs.c.record).where(jobs.c.project == project)
        if status is not None:
            query = query.where(jobs.c.status == status)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        query = keyset(query, (jobs.c.created_at, jobs.c.id), page.after, page.limit, descending=True)
        return connection.execute(query).scalars().all()

    def unfinished(self, connection: Connection) -> Sequence[Job]:
        """Jobs that have not ended, oldest first."""
        final = [status for status in JobStatus if status.is_final]
        query = select(jobs.c.record).where(jobs.c.status.not_in(final)).order_by(jobs.c.created_at)
        return connection.execute(query).scalars().all()

    def completed(
        self, connection: Connection, project: str, kind: JobKind, model: str | None, count: int
    ) -> Sequence[Job]:
        """The newest jobs of this kind and model that completed."""
        same = jobs.c.project == project, jobs.c.kind == kind, jobs.c.model == model
        query = select(jobs.c.record).where(*same, jobs.c.status == JobStatus.COMPLETED)
        return connection.execute(query.order_by(jobs.c.created_at.desc()).limit(count)).scalars().all()

    def count(self, connection: Connection, project: str) -> int:
        """Jobs of a project."""
        return connection.execute(select(func.count()).where(jobs.c.project == project)).scalar_one()

    def request_stop(self, connection: Connection, job_id: str) -> None:
        """Remember that the job was asked to stop."""
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(is_stop_requested=1))

    def is_stop_requested(self, connection: Connection, job_id: str) -> bool:
        """Whether it was."""
        return bool(connection.execute(select(jobs.c.is_stop_requested).where(jobs.c.id == job_id)).scalar_one())

    def log_offset(self, connection: Connection, job_id: str) -> int:
        """Bytes of output whose metric lines have been stored."""
        return int(connection.execute(select(jobs.c.log_offset).where(jobs.c.id == job_id)).scalar_one())

    def set_log_offset(self, connection: Connection, job_id: str, offset: int) -> None:
        """Move it, in the same transaction as the points."""
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(log_offset=offset))

    def log_bytes(self, connection: Connection) -> dict[tuple[str, str], int]:
        """Bytes of output of all jobs, by project (and no name)."""
        statement = select(jobs.c.project, func.sum(jobs.c.log_offset)).group_by(jobs.c.project)
        return {(project, ""): int(size) for project, size in connection.execute(statement)}

    def output_bytes(self, connection: Connection) -> dict[tuple[str, str], int]:
        """Bytes of the files that all jobs have left, by project (and no name)."""
        statement = select(jobs.c.project, func.sum(jobs.c.output_bytes)).group_by(jobs.c.project)
        return {(project, ""): int(size) for project, size in connection.execute(statement)}

    def add_points(self, connection: Connection, job_id: str, points: Iterable[MetricPoint]) -> None:
        """Append metric values; a step below 0 becomes the number of values of that name that came before it."""
        counts: dict[str, int] = {}
        rows = []
        for point in points:
            step = point.step
            if step < 0:
                step = counts.get(point.name) or self._points_of(connection, job_id, point.name)
                counts[point.name] = step + 1
            rows.append(
                {"job_id": job_id, "name": point.name, "value": repr(point.value), "step": step, "at": point.at}
            )
        if rows:
            connection.execute(insert(metric_points), rows)

    def _points_of(self, connection: Connection, job_id: str, name: str) -> int:
        query = select(func.count()).where(metric_points.c.job_id == job_id, metric_points.c.name == name)
        return int(connection.execute(query).scalar_one())

    def remove_points(self, connection: Connection, job_id: str) -> None:
        """Forget all metric values: those of an attempt that did not count."""
        connection.execute(delete(metric_points).where(metric_points.c.job_id == job_id))

    def rewind_points(self, connection: Connection, job_id: str, first: Iterable[MetricPoint]) -> None:
        """An attempt begins with these values: forget what earlier ones said of the same steps and of later ones."""
        begins: dict[str, int] = {}
        for point in first:
            begins[point.name] = min(point.step, begins.get(point.name, point.step))
        for name, step in begins.items():
            if step >= 0:
                told = metric_points.c
                later = (told.job_id == job_id, told.name == name, told.step >= step)
                connection.execute(delete(metric_points).where(*later))

    def points(self, connection: Connection, job_id: str, page: PageQuery) -> Sequence[tuple[int, MetricPoint]]:
        """Metric values in order of arrival, each with its sequence number."""
        query = select(metric_points).where(metric_points.c.job_id == job_id)
        query = keyset(query, (metric_points.c.sequence,), page.after, page.limit)
        return [
            (row.sequence, MetricPoint(name=row.name, value=float(row.value), step=row.step, at=row.at))
            for row in connection.execute(query)
        ]

    def add_finding(self, connection: Connection, finding: Finding, *, is_told: bool) -> None:
        """Write down what a rule has found; the database gives it its id."""
        values = {column.name: getattr(finding, column.name) for column in job_findings.c if column.name in _FINDING}
        connection.execute(insert(job_findings).values(**values, is_told=int(is_told)))

    def findings(self, connection: Connection, job_ids: Sequence[str]) -> Sequence[Finding]:
        """What rules have found on some jobs, in its order."""
        query = select(job_findings).where(job_findings.c.job.in_(job_ids)).order_by(job_findings.c.id)
        return [_finding(row) for row in connection.execute(query)]

    def untold_findings(self, connection: Connection, project: str | None, limit: int) -> Sequence[Finding]:
        """Those that are no event yet, the oldest first."""
        query = select(job_findings).where(job_findings.c.is_told == 0)
        if project is not None:
            query = query.where(job_findings.c.project == project)
        return [_finding(row) for row in connection.execute(query.order_by(job_findings.c.id).limit(limit))]

    def note_findings_told(self, connection: Connection, ids: Sequence[int]) -> None:
        """They are events now."""
        connection.execute(update(job_findings).where(job_findings.c.id.in_(ids)).values(is_told=1))

    def report(self, connection: Connection, job_id: str) -> AutoMLReport | None:
        """What an AutoML job has found out."""
        query = select(automl_reports.c.record).where(automl_reports.c.job_id == job_id)
        return connection.execute(query).scalar_one_or_none()

    def save_report(self, connection: Connection, job_id: str, report: AutoMLReport) -> None:
        """Write it."""
        connection.execute(delete(automl_reports).where(automl_reports.c.job_id == job_id))
        connection.execute(insert(automl_reports).values(job_id=job_id, record=report))

    def untold(self, connection: Connection, limit: int) -> Sequence[tuple[Job, JobRun | None]]:
        """Jobs that have begun or ended and of which MLflow does not know all, oldest first."""
        newest = select(func.max(metric_points.c.sequence)).where(metric_points.c.job_id == jobs.c.id).scalar_subquery()
        final = [status for status in JobStatus if status.is_final]
        has_news = (
            job_runs.c.job.is_(None) | jobs.c.status.in_(final) | (func.coalesce(newest, 0) > job_runs.c.sequence)
        )
        query = (
            select(jobs.c.record, job_runs)
            .outerjoin(job_runs, job_runs.c.job == jobs.c.id)
            .where(func.coalesce(job_runs.c.is_done, 0) == 0, has_news)
            .where(jobs.c.status.not_in((JobStatus.PENDING, JobStatus.STARTING)))
            .order_by(jobs.c.created_at, jobs.c.id)
            .limit(limit)
        )
        return [
            (
                row.record,
                None
                if row.job is None
                else JobRun(
                    job=row.job, attempt=row.attempt, run=row.run, sequence=row.sequence, is_done=bool(row.is_done)
                ),
            )
            for row in connection.execute(query)
        ]

    def points_after(
        self, connection: Connection, job_id: str, sequence: int, limit: int
    ) -> Sequence[tuple[int, MetricPoint]]:
        """Metric points of a job after `sequence`, each with its own, in order."""
        query = select(metric_points).where(metric_points.c.job_id == job_id, metric_points.c.sequence > sequence)
        return [
            (row.sequence, MetricPoint(name=row.name, value=float(row.value), step=row.step, at=row.at))
            for row in connection.execute(query.order_by(metric_points.c.sequence).limit(limit))
        ]

    def save_run(self, connection: Connection, run: JobRun) -> None:
        """Write what is known of a job's run."""
        connection.execute(delete(job_runs).where(job_runs.c.job == run.job))
        values = {"attempt": run.attempt, "run": run.run, "sequence": run.sequence, "is_done": int(run.is_done)}
        connection.execute(insert(job_runs).values(job=run.job, **values))


_FINDING = ("project", "job", "rule", "action", "step", "value", "message", "at")


def _finding(row: Row[tuple[object, ...]]) -> Finding:
    return Finding(
        id=row.id,
        project=row.project,
        job=row.job,
        rule=row.rule,
        action=RuleAction(row.action),
        step=row.step,
        value=row.value,
        message=row.message,
        at=row.at,
    )


def _columns(job: Job) -> dict[str, object]:
    return {
        "status": job.status,
        "model": job.model,
        "created_at": job.created_at,
        "version": job.version,
        "output_bytes": int(job.result.get(OUTPUT_BYTES, 0)),
        "record": job,
    }
