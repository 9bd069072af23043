"""What the workflow of a tuning job does: try, look, end early, choose. Every method may be repeated at any time."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase

from modelyard.control.jobs.errors import JobNotFoundError
from modelyard.control.jobs.service import JobService
from modelyard.control.jobs.trials.service import TrialLeavings
from modelyard.control.rest.pages import MAXIMUM_LIMIT, PageQuery
from modelyard.control.tuning import outcomes
from modelyard.control.tuning.clearing import TrialClearing
from modelyard.control.tuning.recipes import trial_recipe
from modelyard.control.tuning.repository import TuningRepository
from modelyard.control.tuning.service import TuningService
from modelyard.control.tuning.strategies import population, ranking, stopping
from modelyard.control.tuning.strategies.choosing import choose, is_ready, parent_of, trial_count
from modelyard.errors import InvalidStateError, ModelyardError, UnavailableError
from modelyard.kit.clock import Clock
from modelyard.storage.creations import Creation
from modelyard.storage.database import Database
from modelyard.types.jobs import Job, JobKind, JobStatus, MetricPoint
from modelyard.types.tuning.jobs import Trial, TrialStatus, TuningJob

POLL_SECONDS = 0.5

MAX_FAILURES = 4
"""So many trials that fail one after the other end the search: it is hardly their hyper-parameters."""


class TuningExecution:
    """Carries tuning jobs through their lives.

    Holds no state but the database, the jobs of its trials, and how far their live figures were read.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: TuningRepository,
        service: TuningService,
        jobs: JobService,
        leavings: TrialLeavings,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._service = service
        self._jobs = jobs
        self._clearing = TrialClearing(database, repository, leavings)
        self._clock = clock
        self._pages: dict[str, str] = {}

    def search(self, tuning_id: str) -> None:
        """Carry trials until no more is to be tried, and none runs."""
        while not self._round(tuning_id):
            time.sleep(POLL_SECONDS)

    def settle(self, tuning_id: str) -> None:
        """Say what was found, and have the best one trained and registered."""
        tuning, trials = self._load(tuning_id)
        if tuning.status.is_final:
            return
        best = ranking.ranked(tuning.search, trials)
        if self._is_stop_requested(tuning_id):
            self._end(tuning, JobStatus.STOPPED, "It was stopped.")
        elif not best:
            self._end(tuning, JobStatus.FAILED, outcomes.why_nothing(trials))
        elif tuning.search.model is None or len(tuning.search.objectives) > 1:
            self._end(tuning, JobStatus.COMPLETED, outcomes.account(tuning.search, trials))
        else:
            self._train_best(tuning, trials, best[0])

    def _round(self, tuning_id: str) -> bool:
        """Look at every trial once, start what there is room for; True if nothing is left to do."""
        tuning, trials = self._load(tuning_id)
        if tuning.status.is_final:
            return True
        looked_at = [self._look(tuning, trial) if trial.status is TrialStatus.RUNNING else trial for trial in trials]
        is_over = self._is_over(tuning, looked_at)
        running = [trial for trial in looked_at if trial.status is TrialStatus.RUNNING]
        if is_over:
            self._stop(tuning, running)
            return not running
        self._end_losers(tuning, looked_at)
        self._clearing.forget_files(tuning, looked_at)
        total, most = trial_count(tuning.search), tuning.search.parallel_trials
        while len(running) < most and len(looked_at) < total and is_ready(tuning.search, looked_at):
            running.append(self._begin(tuning, looked_at))
            looked_at.append(running[-1])
        return not running

    def _is_over(self, tuning: TuningJob, trials: Sequence[Trial]) -> bool:
        """Whether no further trial may begin, and those that run are to stop."""
        limit = tuning.search.time_limit_seconds
        if limit is not None and self._clock.now() >= tuning.created_at + timedelta(seconds=limit):
            return True
        newest = [trial.status for trial in trials[-MAX_FAILURES:]]
        return newest.count(TrialStatus.FAILED) == MAX_FAILURES or self._is_stop_requested(tuning.id)

    def _begin(self, tuning: TuningJob, trials: Sequence[Trial]) -> Trial:
        """Write the next trial down, then start its job: after a kill in between the job is started later."""
        number = len(trials)
        known = [*self._earlier(tuning), *trials]
        trial = Trial(
            number=number,
            status=TrialStatus.RUNNING,
            hyperparameters=choose(tuning.search, known, number),
            parent=parent_of(tuning.search, known, number),
            started_at=self._clock.now(),
        )
        with self._database.transaction() as connection:
            self._repository.add_trial(connection, tuning.id, trial)
        self._clearing.forget_checkpoints(tuning, population.outlived(tuning.search, trials))
        return self._look(tuning, trial)

    def _look(self, tuning: TuningJob, trial: Trial) -> Trial:
        """A running trial as its job is now, stored if it has changed."""
        try:
            job = self._job(tuning, trial)
        except UnavailableError:
            return trial  # something that it needs is away: at the next look
        except ModelyardError as error:
            message = f"{error.message}. {error.hint}".strip()
            after = replace(trial, status=TrialStatus.FAILED, message=message, ended_at=self._clock.now())
        else:
            after = outcomes.settled(tuning.search, trial, job) if job.status.is_final else replace(trial, job=job.id)
            if tuning.search.early_stopping is not None:
                after = replace(after, curve={**trial.curve, **self._curve(tuning, trial, job)})
                if job.status.is_final:
                    self._pages.pop(job.id, None)
        if after != trial:
            with self._database.transaction() as connection:
                self._repository.save_trial(connection, tuning.id, after)
        return after

    def _job(self, tuning: TuningJob, trial: Trial) -> Job:
        if trial.job is not None:
            try:
                return self._jobs.get(tuning.project, trial.job)
            except JobNotFoundError:
                pass  # its creation was rolled back with the database that is in use now
        search = tuning.search
        return self._jobs.submit(
            tuning.project,
            JobKind.TRIAL,
            trial_recipe(search, self._load(tuning.id)[1], trial),
            None,
            search.resources,
            created_by=tuning.created_by,
            creation=_once(tuning.id, str(trial.number)),
            placement=search.placement,
        )

    def _curve(self, tuning: TuningJob, trial: Trial, job: Job) -> dict[int, float]:
        """The live figure that early stopping looks at, by step, as far as it is new."""
        rule = tuning.search.early_stopping
        if rule is None:
            return {}
        last = max(trial.curve, default=-1)
        points = (point for point in self._points(tuning.project, job.id) if fnmatchcase(point.name, rule.metric))
        return {point.step: point.value for point in points if point.step > last and stopping.is_kept(point.step)}

    def _points(self, project: str, job_id: str) -> Iterable[MetricPoint]:
        """Those of the last page that was read, and of what has come since: full pages do not change."""
        cursor = self._pages.get(job_id)
        while True:
            page = self._jobs.metrics(project, job_id, PageQuery.decode(MAXIMUM_LIMIT, cursor))
            yield from page.items
            if page.next_cursor is None:
                return
            cursor = self._pages[job_id] = page.next_cursor

    def _end_losers(self, tuning: TuningJob, trials: Sequence[Trial]) -> None:
        rule = tuning.search.early_stopping
        if rule is None:
            return
        reasons = stopping.losers(rule, trials)
        for trial in trials:
            if trial.number in reasons:
                ending = replace(trial, is_ending=True, message=f"It was ended early: {reasons[trial.number]}.")
                with self._database.transaction() as connection:
                    self._repository.save_trial(connection, tuning.id, ending)
                self._stop(tuning, [ending])

    def _stop(self, tuning: TuningJob, trials: Iterable[Trial]) -> None:
        for trial in trials:
            if trial.job is not None:
                try:
                    self._jobs.stop(tuning.project, trial.job)
                except (InvalidStateError, JobNotFoundError):
                    continue  # it has ended meanwhile

    def _train_best(self, tuning: TuningJob, trials: Sequence[Trial], best: Trial) -> None:
        """One more training, on the rows that trials were measured on too; measured on those that none has seen.

        A script's own model is registered at once.
        """
        try:
            job = self._service.register(
                tuning.project,
                tuning.id,
                best.number,
                tuning.search.model or "",
                created_by=tuning.created_by,
                creation=_once(tuning.id, "best"),
            )
            while not job.status.is_final:
                if self._is_stop_requested(tuning.id):
                    self._stop(tuning, [replace(best, job=job.id)])
                time.sleep(POLL_SECONDS)
                job = self._jobs.get(tuning.project, job.id)
        except ModelyardError as error:
            self._end(
                tuning, JobStatus.FAILED, f"The best trial's model was not registered: {error.message}. {error.hint}"
            )
            return
        found = {"job": job.id, "model_version": str(job.result.get("model_version", ""))}
        if job.status is JobStatus.COMPLETED:
            self._end(replace(tuning, result=found), JobStatus.COMPLETED, outcomes.account(tuning.search, trials))
        else:
            status = JobStatus.STOPPED if job.status is JobStatus.STOPPED else JobStatus.FAILED
            reason = job.end.message if job.end else job.status
            self._end(tuning, status, f"The best trial's model was not registered: job {job.id}: {reason}")

    def _earlier(self, tuning: TuningJob) -> list[Trial]:
        """Trials of other tuning jobs that count here: those that have completed, with values for the same space."""
        found: list[Trial] = []
        with self._database.read() as connection:
            for each in tuning.search.warm_start:
                found.extend(self._repository.trials(connection, each))
        return [trial for trial in found if outcomes.counts(tuning.search, trial)]

    def _load(self, tuning_id: str) -> tuple[TuningJob, Sequence[Trial]]:
        with self._database.read() as connection:
            tuning = self._repository.find(connection, tuning_id)
            trials = self._repository.trials(connection, tuning_id)
        if tuning is None:
            raise LookupError(tuning_id)  # a workflow without its record: the database was put back by hand
        return tuning, trials

    def _is_stop_requested(self, tuning_id: str) -> bool:
        with self._database.read() as connection:
            return self._repository.is_stop_requested(connection, tuning_id)

    def _end(self, tuning: TuningJob, status: JobStatus, message: str) -> None:
        trials = self._load(tuning.id)[1]
        self._clearing.forget_checkpoints(tuning, trials)
        self._clearing.forget_files(tuning, trials)  # of those that ended after the last look, by a stop or the time
        ended = replace(tuning, status=status, message=message, ended_at=self._clock.now(), version=tuning.version + 1)
        with self._database.transaction() as connection:
            self._repository.save(connection, ended)


def _once(tuning_id: str, what: str) -> Creation:
    digest = hashlib.sha256(f"{tuning_id}/{what}".encode()).hexdigest()
    return Creation(key=digest, request_digest=digest)
