"""Deletes what trials leave behind that nobody will ask for."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from modelyard.control.jobs.trials.service import TrialLeavings
from modelyard.control.tuning.repository import TuningRepository
from modelyard.control.tuning.strategies import ranking
from modelyard.errors import UnavailableError
from modelyard.storage.database import Database
from modelyard.types.tuning.jobs import Trial, TrialStatus, TuningJob
from modelyard.types.tuning.searches import Strategy

_log = structlog.get_logger(__name__)


class TrialClearing:
    """Safe to repeat at any time; what cannot be deleted now is left for the next time."""

    def __init__(self, database: Database, repository: TuningRepository, leavings: TrialLeavings) -> None:
        self._database = database
        self._repository = repository
        self._leavings = leavings

    def forget_files(self, tuning: TuningJob, trials: Sequence[Trial]) -> None:
        """Of a script's trials: all but the best keep their figures and logs alone."""
        most = tuning.search.kept_trials
        if tuning.search.recipe.script is None or most is None:
            return
        order = ranking.ranked(tuning.search, trials)
        kept = {each.number for each in order[:most]} | {*ranking.front(tuning.search, trials)}
        for trial in trials:
            if trial.status is TrialStatus.COMPLETED and trial.has_files and trial.number not in kept:
                try:
                    self._leavings.forget_files(tuning.project, trial.job or "")
                except UnavailableError:
                    return
                with self._database.transaction() as connection:
                    self._repository.save_trial(connection, tuning.id, replace(trial, has_files=False))

    def forget_checkpoints(self, tuning: TuningJob, trials: Iterable[Trial]) -> None:
        """Of a population: nothing goes on from them any more."""
        for trial in trials:
            if tuning.search.strategy is Strategy.PBT and trial.job is not None:
                try:
                    self._leavings.forget_checkpoint(trial.job)
                except UnavailableError as error:  # a search does not fail because something is left behind
                    _log.warning("the checkpoint of a trial is still there", job=trial.job, error=str(error))
