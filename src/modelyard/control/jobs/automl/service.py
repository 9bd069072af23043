"""The rules of AutoML jobs, and what they have found out."""

from dataclasses import replace
from difflib import get_close_matches

from modelyard.algorithms.automl.errors import AutoMLInvalidError
from modelyard.algorithms.errors import TargetNotFoundError
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.environments.locks import Locks
from modelyard.control.environments.service import BUILTIN, EnvironmentService
from modelyard.control.jobs.automl.checks import check_series
from modelyard.control.jobs.automl.errors import NoWinnerError, ReportNotFoundError
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.scripts.work import check_permitted
from modelyard.control.jobs.service import JobService
from modelyard.engines.base import Engine, check_fence
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation
from modelyard.storage.database import Database
from modelyard.types.automl.recipes import IMAGES, AutoMLRecipe, AutoMLTask
from modelyard.types.automl.reports import AutoMLReport
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import Job, JobKind, JobRecipe
from modelyard.types.processes import Resources

_END_SHARE = 1.2
"""The job is ended for good after this much of its budget: it keeps the budget by itself."""
_END_SECONDS = 60.0
_OF_AUTOGLUON = (AutoMLTask.AUTO, AutoMLTask.CLASSIFICATION, AutoMLTask.REGRESSION)


class AutoMLService:
    """Creates AutoML jobs; once there they are jobs like any other, with a report.

    Args:
        jobs: keeps them.
        registry: has the data.
        database: of jobs.
        repository: of jobs.
        environments: those that have names.
        locks: keeps what those are locked to.
        engine: where jobs run.
    """

    def __init__(
        self,
        jobs: JobService,
        registry: RegistryClient,
        database: Database,
        repository: JobRepository,
        environments: EnvironmentService,
        locks: Locks,
        engine: Engine,
    ) -> None:
        self._jobs = jobs
        self._registry = registry
        self._database = database
        self._repository = repository
        self._environments = environments
        self._locks = locks
        self._engine = engine

    def create(
        self,
        project: str,
        recipe: JobRecipe,
        model: str | None,
        resources: Resources,
        *,
        created_by: str,
        creation: Creation | None = None,
        placement: Placement | None = None,
        autogluon: str = "",
    ) -> Job:
        """Accept an AutoML job. Its time limit is never below what its budget needs.

        `autogluon` names an environment that has AutoGluon.

        Raises:
            NotFoundError: no such dataset version.
            AutoMLInvalidError: the task does not fit the data, or no model to register the winner as.
            TargetNotFoundError: the table has no such column.
            EnvironmentNotFoundError: there is no such environment.
            ScriptForbiddenError, SandboxTooWeakError: packages of one's own may not run in this project, or not here.
            JobNeverFitsError, BudgetExhaustedError: as for every job.
        """
        wanted = recipe.automl
        if wanted is None or (model is None and not wanted.is_estimate):
            raise AutoMLInvalidError(
                "The winner has no name to be registered as",
                hint='Name a "model", or ask for an estimate only.',
                field="model",
            )
        pinned = replace(recipe, channels=self._jobs.pinned(project, recipe.channels))
        self._check_data(project, pinned)
        if autogluon:
            pinned = replace(pinned, automl=replace(wanted, autogluon=self._locked(project, wanted, autogluon)))
        needed = wanted.budget_seconds * _END_SHARE + _END_SECONDS
        return self._jobs.submit(
            project,
            JobKind.AUTOML,
            pinned,
            None if model is None else check_name(model, "model"),
            replace(resources, time_limit_seconds=max(needed, resources.time_limit_seconds or 0.0)),
            created_by=created_by,
            creation=creation,
            placement=placement or Placement(),
        )

    def report(self, project: str, job_id: str) -> AutoMLReport:
        """What a job has found out so far.

        Raises:
            JobNotFoundError: no such job.
            ReportNotFoundError: it is no AutoML job, or has not begun.
        """
        job = self._jobs.get(project, job_id)
        with self._database.read() as connection:
            report = self._repository.report(connection, job.id)
        if report is None:
            raise _no_report(job_id)
        return report

    def script(self, project: str, job_id: str) -> str:
        """The program that trains the winner anew.

        Raises:
            JobNotFoundError, ReportNotFoundError: as for `report`.
            NoWinnerError: there is none yet.
        """
        job = self._jobs.get(project, job_id)
        with self._database.read() as connection:
            report = self._repository.report(connection, job.id)
        if job.kind is not JobKind.AUTOML:
            raise _no_report(job_id)
        if report is None or not report.script:
            raise NoWinnerError(
                f"Job '{job_id}' has no winner", hint="It has one when it has completed; an estimate has none."
            )
        return report.script

    def _locked(self, project: str, wanted: AutoMLRecipe, name: str) -> str:
        """The digest of an environment's lock. Its packages are somebody's code, which the project must permit."""
        if wanted.task not in _OF_AUTOGLUON:
            raise AutoMLInvalidError(
                f"AutoGluon is compared on classes and numbers in tables only, not for {wanted.task.value}",
                hint='Leave "autogluon" out.',
                field="autogluon",
            )
        check_permitted(self._registry, project)
        check_fence(self._engine)
        found = self._environments.get(name)
        if not found.lock or name == BUILTIN:
            raise AutoMLInvalidError(
                f"The environment '{name[:80]}' has not been built",
                hint=f"Build it once: modelyard environments build {name[:80]}",
                field="autogluon",
            )
        return self._locks.keep(found.lock)

    def _check_data(self, project: str, recipe: JobRecipe) -> None:
        (ref,) = recipe.channels.values()
        version = self._registry.dataset_version(project, ref.dataset, ref.number)
        wanted = recipe.automl.task if recipe.automl is not None else AutoMLTask.AUTO
        has_images = version.format in IMAGES
        if wanted is not AutoMLTask.AUTO and (wanted is AutoMLTask.IMAGE_CLASSIFICATION) is not has_images:
            raise AutoMLInvalidError(
                f"Dataset '{ref.dataset}' is {version.format.value}, which does not fit {wanted.value}",
                hint="Leave the task out, or name another dataset.",
                field="data",
            )
        names = [column.name for column in version.schema.columns]
        if not has_images and recipe.target not in names:
            close = get_close_matches(str(recipe.target), names, n=1)
            guess = f"Did you mean '{close[0]}'? " if close else ""
            raise TargetNotFoundError(
                f"The table has no column '{str(recipe.target or '')[:80]}' to predict",
                hint=f"{guess}modelyard datasets show {ref.dataset} lists the columns.",
                field="target",
            )
        if wanted is AutoMLTask.FORECASTING and recipe.automl is not None:
            check_series(version.schema, recipe.automl)


def _no_report(job_id: str) -> ReportNotFoundError:
    return ReportNotFoundError(
        f"Job '{job_id}' has no report", hint="Only AutoML jobs have one, as soon as their process has read the data."
    )
