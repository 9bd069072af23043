"""All SQL of tuning jobs."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from modelyard.control.rest.pages import PageQuery
from modelyard.control.tuning.tables import tuning_jobs, tuning_trials
from modelyard.storage.keyset import keyset
from modelyard.types.jobs import JobStatus
from modelyard.types.tuning.jobs import Trial, TuningJob


class TuningRepository:
    """Reads and writes tuning jobs and their trials. Every method runs in the caller's transaction."""

    def insert(self, connection: Connection, tuning: TuningJob) -> None:
        """Add a tuning job."""
        values = {"id": tuning.id, "project": tuning.project, "created_at": tuning.created_at}
        connection.execute(insert(tuning_jobs).values(**values, status=tuning.status, record=tuning))

    def save(self, connection: Connection, tuning: TuningJob) -> None:
        """Write a changed one."""
        changed = update(tuning_jobs).where(tuning_jobs.c.id == tuning.id)
        connection.execute(changed.values(status=tuning.status, record=tuning))

    def find(self, connection: Connection, tuning_id: str, project: str | None = None) -> TuningJob | None:
        """By id; of this project only, if one is named."""
        query = select(tuning_jobs.c.record).where(tuning_jobs.c.id == tuning_id)
        if project is not None:
            query = query.where(tuning_jobs.c.project == project)
        return connection.execute(query).scalar_one_or_none()

    def list(self, connection: Connection, project: str, page: PageQuery) -> Sequence[TuningJob]:
        """Newest first."""
        query = select(tuning_jobs.c.record).where(tuning_jobs.c.project == project)
        columns = (tuning_jobs.c.created_at, tuning_jobs.c.id)
        return connection.execute(keyset(query, columns, page.after, page.limit, descending=True)).scalars().all()

    def unfinished(self, connection: Connection) -> Sequence[str]:
        """Ids of those that have not ended."""
        final = [status for status in JobStatus if status.is_final]
        query = select(tuning_jobs.c.id).where(tuning_jobs.c.status.not_in(final))
        return connection.execute(query.order_by(tuning_jobs.c.created_at)).scalars().all()

    def request_stop(self, connection: Connection, tuning_id: str) -> None:
        """Remember that it was asked to stop."""
        connection.execute(update(tuning_jobs).where(tuning_jobs.c.id == tuning_id).values(is_stop_requested=True))

    def is_stop_requested(self, connection: Connection, tuning_id: str) -> bool:
        """Whether it was."""
        query = select(tuning_jobs.c.is_stop_requested).where(tuning_jobs.c.id == tuning_id)
        return bool(connection.execute(query).scalar_one())

    def add_trial(self, connection: Connection, tuning_id: str, trial: Trial) -> None:
        """Add a trial."""
        connection.execute(insert(tuning_trials).values(tuning=tuning_id, number=trial.number, record=trial))

    def save_trial(self, connection: Connection, tuning_id: str, trial: Trial) -> None:
        """Write a changed trial."""
        same = tuning_trials.c.tuning == tuning_id, tuning_trials.c.number == trial.number
        connection.execute(update(tuning_trials).where(*same).values(record=trial))

    def trials(self, connection: Connection, tuning_id: str) -> Sequence[Trial]:
        """All of them, by number."""
        query = select(tuning_trials.c.record).where(tuning_trials.c.tuning == tuning_id)
        return connection.execute(query.order_by(tuning_trials.c.number)).scalars().all()

    def trials_page(self, connection: Connection, tuning_id: str, page: PageQuery) -> Sequence[Trial]:
        """Some of them, by number."""
        query = select(tuning_trials.c.record).where(tuning_trials.c.tuning == tuning_id)
        return connection.execute(keyset(query, (tuning_trials.c.number,), page.after, page.limit)).scalars().all()
