"""Training jobs of the container contract: /opt/ml, buckets, and AWS's ways to end."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from modelyard.control.jobs.contract.work import STOP_GRACE_SECONDS, ContractWork
from modelyard.control.jobs.kinds.base import Figures, Kind, Save, its
from modelyard.errors import ModelyardError
from modelyard.types.contract.recipes import ContractRecipe
from modelyard.types.jobs import Job
from modelyard.types.processes import ProcessEnd, ProcessSpec


class Contract(Kind):
    """A bucket that is away for a moment is no fault of the job: its checkpoints are uploaded later."""

    is_resumed = True
    keeps_unfinished = True
    grace_seconds = STOP_GRACE_SECONDS

    def __init__(self, contracts: ContractWork) -> None:
        self._contracts = contracts

    def prepare(self, job: Job, folder: Path, save: Save) -> ProcessSpec:
        """See Kind."""

        def keep(pinned: ContractRecipe) -> None:
            save(replace(job, recipe=replace(job.recipe, contract=pinned)))

        return self._contracts.prepare(job, its(job.recipe.contract), folder, keep)

    def conclude(self, job: Job, folder: Path) -> Figures:
        """See Kind."""
        return {**self._contracts.conclude(job, its(job.recipe.contract), folder)}

    def look(self, job: Job) -> None:
        """See Kind."""
        with suppress(ModelyardError):
            self._contracts.follow(job, its(job.recipe.contract))

    def account(self, job: Job, folder: Path, end: ProcessEnd) -> str:
        """See Kind."""
        return self._contracts.account(job, its(job.recipe.contract), folder, end)

    def suspend(self, job: Job) -> None:
        """See Kind."""
        with suppress(ModelyardError):  # the folder of checkpoints is still here
            self._contracts.suspend(job, its(job.recipe.contract))

    def remove(self, job: Job) -> None:
        """See Kind."""
        self._contracts.remove(job)
