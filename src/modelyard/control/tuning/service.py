"""The rules of tuning jobs: what may be searched for, what a record says, how one is stopped."""

from collections.abc import Sequence
from dataclasses import replace

from modelyard.algorithms import catalog
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.jobs.service import JobService
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.tuning import checking, populations
from modelyard.control.tuning.errors import (
    TrialFilesGoneError,
    TrialNotFoundError,
    TrialUnfinishedError,
    TuningNotFoundError,
)
from modelyard.control.tuning.recipes import chosen_recipe
from modelyard.control.tuning.repository import TuningRepository
from modelyard.control.tuning.strategies import ranking
from modelyard.errors import InvalidStateError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name, new_id
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.jobs import Job, JobStatus
from modelyard.types.scripting.recipes import ScriptRecipe
from modelyard.types.tuning.jobs import Trial, TrialStatus, TuningJob
from modelyard.types.tuning.searches import Objective, Search


class TuningService:
    """Creates, shows and stops tuning jobs. `resume` of the workflow carries them."""

    def __init__(
        self,
        *,
        database: Database,
        repository: TuningRepository,
        creations: Creations,
        jobs: JobService,
        scripts: ScriptJobService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._jobs = jobs
        self._scripts = scripts
        self._clock = clock

    def create(self, project: str, search: Search, *, created_by: str, creation: Creation | None = None) -> TuningJob:
        """Accept a search, or refuse it with what is wrong. It is durable when this returns.

        Raises:
            InvalidInputError: the space, the objectives or the strategy do not fit the algorithm.
            NotFoundError: a dataset version, the queue, or a tuning job to start from does not exist.
            JobNeverFitsError: no trial could ever start.
        """
        complete = self._complete(project, search)
        self._jobs.check_fits(project, complete.resources, complete.placement)
        tuning = TuningJob(
            project=project,
            id=new_id("tuning"),
            status=JobStatus.RUNNING,
            search=complete,
            created_at=self._clock.now(),
            created_by=created_by,
        )
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is None:
                self._repository.insert(connection, tuning)
                self._creations.record(connection, creation, tuning.id)
        return self.get(project, made or tuning.id)

    def get(self, project: str, tuning_id: str) -> TuningJob:
        """A tuning job, with its best trial so far.

        Raises:
            TuningNotFoundError: no such tuning job in this project.
        """
        with self._database.read() as connection:
            return self._shown(connection, self._found(connection, project, tuning_id))

    def list(self, project: str, page: PageQuery) -> Page[TuningJob]:
        """Newest first."""
        with self._database.read() as connection:
            found = self._repository.list(connection, project, page)
            shown = [self._shown(connection, tuning) for tuning in found]
        return page.page(shown, lambda tuning: (tuning.created_at, tuning.id))

    def trials(self, project: str, tuning_id: str, page: PageQuery) -> Page[Trial]:
        """In the order in which they began."""
        with self._database.read() as connection:
            self._found(connection, project, tuning_id)
            found = self._repository.trials_page(connection, tuning_id, page)
        return page.page(found, lambda trial: (trial.number,))

    def importances(self, project: str, tuning_id: str) -> dict[str, dict[str, float]]:
        """By objective the share of its variance that each hyper-parameter explains; empty with too few trials."""
        from modelyard.control.tuning.strategies import study  # noqa: PLC0415 - imports Optuna and scikit-learn

        with self._database.read() as connection:
            search = self._found(connection, project, tuning_id).search
            trials = self._repository.trials(connection, tuning_id)
        return {each.metric: study.importances(search, trials, each) for each in search.objectives}

    def stop(self, project: str, tuning_id: str) -> TuningJob:
        """Ask it to stop: trials that run are stopped, nothing is registered. Asking twice is fine.

        Raises:
            TuningNotFoundError: no such tuning job.
            InvalidStateError: it has ended already.
        """
        tuning = self.get(project, tuning_id)
        if tuning.status.is_final:
            raise InvalidStateError(
                f"Tuning job '{tuning_id}' has ended: {tuning.status}", hint="Nothing is left to stop."
            )
        with self._database.transaction() as connection:
            self._repository.request_stop(connection, tuning_id)
        return self.get(project, tuning_id)

    def register(
        self,
        project: str,
        tuning_id: str,
        number: int,
        model: str,
        *,
        created_by: str,
        creation: Creation | None = None,
    ) -> Job:
        """Train with a trial's hyper-parameters, on the rows that trials were measured on too, and register the model.

        Of a script the model that the trial has left is registered as it is: its job is the answer.

        Raises:
            TrialNotFoundError: no such trial.
            TrialUnfinishedError: it has not completed.
            TrialFilesGoneError: it was not among the best, whose files are kept.
        """
        with self._database.read() as connection:
            search = self._found(connection, project, tuning_id).search
            trials = self._repository.trials(connection, tuning_id)
        trial = next((each for each in trials if each.number == number), None)
        if trial is None:
            raise TrialNotFoundError(
                f"Tuning job '{tuning_id}' has no trial {number}", hint="GET .../trials lists them."
            )
        if trial.status is not TrialStatus.COMPLETED:
            raise TrialUnfinishedError(f"Trial {number} is {trial.status}", hint="Choose one that is COMPLETED.")
        if search.recipe.script is not None:
            if not trial.has_files:
                raise TrialFilesGoneError(
                    f"What trial {number} left was not kept: {search.kept_trials} others were better",
                    hint='Choose one of the best, or search again with a larger "kept_trials" (--keep).',
                )
            return self._scripts.register_kept(project, trial.job or "", model)
        return self._jobs.create_training(
            project,
            chosen_recipe(search, trials, trial),
            model,
            search.resources,
            created_by=created_by,
            creation=creation,
            placement=search.placement,
        )

    def unfinished(self) -> Sequence[str]:
        """Ids of the tuning jobs that somebody must carry."""
        with self._database.read() as connection:
            return self._repository.unfinished(connection)

    def _complete(self, project: str, search: Search) -> Search:
        """The search with defaults filled in, checked, and pinned to dataset versions."""
        for each in search.warm_start:
            self.get(project, each)
        if search.model:
            check_name(search.model, "model")
        if search.recipe.script is not None:
            return self._complete_script(project, search, search.recipe.script)
        description = catalog.describe(search.recipe.algorithm)
        objective = Objective(metric=description.objective, direction=checking.direction_of(description.objective))
        complete = populations.completed(
            replace(
                search,
                space=checking.typed_space(description, search.space),
                objectives=search.objectives or (objective,),
            ),
            description,
        )
        checking.check(complete, description)
        return replace(complete, recipe=replace(self._jobs.complete(project, complete.recipe), is_trial=True))

    def _complete_script(self, project: str, search: Search, script: ScriptRecipe) -> Search:
        """The same for a script: its first metric by pattern is the objective if none is named."""
        own = tuple(Objective(metric=each.name, direction=checking.direction_of(each.name)) for each in script.metrics)
        complete = replace(search, space=checking.script_space(search.space), objectives=search.objectives or own[:1])
        checking.check_search(complete)
        given = search.recipe.hyperparameters
        named = replace(search.recipe, hyperparameters={**given, **dict.fromkeys(search.space, 0)})  # their names count
        recipe = self._scripts.complete(project, named, script)
        return replace(complete, recipe=replace(recipe, hyperparameters=given, is_trial=True))

    def _found(self, connection: Connection, project: str, tuning_id: str) -> TuningJob:
        tuning = self._repository.find(connection, tuning_id, project)
        if tuning is None:
            raise TuningNotFoundError(
                f"There is no tuning job '{tuning_id}' in project '{project}'",
                hint="GET .../tuning-jobs lists those of a project.",
            )
        return tuning

    def _shown(self, connection: Connection, tuning: TuningJob) -> TuningJob:
        """With what its trials say now."""
        trials = self._repository.trials(connection, tuning.id)
        counts = {status.value: sum(trial.status is status for trial in trials) for status in TrialStatus}
        order = ranking.ranked(tuning.search, trials)
        is_one = len(tuning.search.objectives) == 1
        is_stopping = tuning.status is JobStatus.RUNNING and self._repository.is_stop_requested(connection, tuning.id)
        return replace(
            tuning,
            status=JobStatus.STOPPING if is_stopping else tuning.status,
            counts={name: count for name, count in counts.items() if count},
            best=order[0] if order and is_one else None,
            seconds=sum(trial.values.get(checking.SECONDS, 0.0) for trial in trials),
            front=() if is_one else ranking.front(tuning.search, trials),
        )
