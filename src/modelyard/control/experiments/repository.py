"""All SQL of experiments."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from modelyard.control.experiments.tables import job_runs
from modelyard.control.jobs.tables import jobs, metric_points
from modelyard.types.jobs import Job, JobStatus, MetricPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """What MLflow has been told of an attempt. `sequence`: of the last metric point; `is_done`: all of it, for good."""

    job: str
    attempt: int
    run: str
    sequence: int = 0
    is_done: bool = False


class JobRunRepository:
    """Reads jobs and what was told of them. Every method runs in the caller's transaction."""

    def due(self, connection: Connection, limit: int) -> Sequence[tuple[Job, JobRun | None]]:
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

    def save(self, connection: Connection, run: JobRun) -> None:
        """Write what is known of a job's run."""
        connection.execute(delete(job_runs).where(job_runs.c.job == run.job))
        values = {"attempt": run.attempt, "run": run.run, "sequence": run.sequence, "is_done": int(run.is_done)}
        connection.execute(insert(job_runs).values(job=run.job, **values))
