"""AutoML jobs: a search that keeps a report as it goes, and registers the best it has found."""

from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.automl.work import AutoMLWork
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.kinds.base import Figures
from modelyard.control.jobs.kinds.builtin import Additions, BuiltIn
from modelyard.control.jobs.scripts.work import check_permitted
from modelyard.types.jobs import Job


class AutoML(BuiltIn):
    """See BuiltIn; a SIGKILL costs no more than a candidate."""

    is_resumed = True
    outlives_kills = True

    def __init__(self, registry: RegistryClient, inputs: JobInputs, automl: AutoMLWork) -> None:
        super().__init__(registry, inputs)
        self._automl = automl

    def look(self, job: Job) -> None:
        """See Kind."""
        self._automl.look(job)

    def conclude(self, job: Job, folder: Path) -> Figures:
        """See Kind."""
        self._automl.look(job)
        figures = super().conclude(job, folder)
        if job.recipe.automl is not None and not job.recipe.automl.is_estimate:
            figures["model_version"] = self._register(job, folder / "output")
        return figures

    def suspend(self, job: Job) -> None:
        """See Kind."""
        self._automl.suspend(job)

    def remove(self, job: Job) -> None:
        """See Kind."""
        self._automl.remove(job)

    def _additions(self, job: Job, bundles: list[Path]) -> Additions:  # noqa: ARG002
        if job.recipe.automl is not None and job.recipe.automl.autogluon:
            check_permitted(self._registry, job.project)  # the project may have thought better of it meanwhile
        checkpoints, mount = self._automl.prepare(job)
        python, more = self._automl.autogluon(job)
        return Additions(checkpoints=checkpoints, autogluon=python, mounts=(mount, *more))
