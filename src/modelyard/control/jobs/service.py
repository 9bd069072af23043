"""The rules of jobs: what may be submitted, what a record says, how one is stopped."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median

from modelyard.algorithms import catalog, hyperparameters
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.debugging.catalog import check as check_rules
from modelyard.control.jobs.errors import JobInvalidError, JobNotFoundError
from modelyard.control.jobs.gangs.members import Members, process_count, process_ids
from modelyard.control.jobs.output import JobOutput
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.scheduling.service import SchedulingService
from modelyard.engines.base import Engine
from modelyard.errors import InvalidStateError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name, new_id
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.types.batch.metrics import EXPECTED_END, FAILED_ROWS, ROWS, ROWS_PER_SECOND, TOTAL_ROWS
from modelyard.types.batch.recipes import JobProgress
from modelyard.types.compute.scheduling import Placement
from modelyard.types.debugging.rules import Finding, RuleChoice
from modelyard.types.jobs import DatasetRef, Job, JobKind, JobRecipe, JobStatus, MetricPoint
from modelyard.types.models import ArtifactFormat, ModelVersion, Task
from modelyard.types.processes import LogChunk, Resources

_ANYWHERE = Placement()
_REMEMBERED_JOBS = 9
TABLE_TASKS = (Task.TABULAR_CLASSIFICATION, Task.TABULAR_REGRESSION, Task.TEXT_CLASSIFICATION, Task.FORECASTING)


class JobService:
    """Creates, shows and stops jobs; `scheduling` says when one runs, and hands it to the workflow that carries it.

    `control` names this process; `lives` knows of the others on the same database whether they do.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: JobRepository,
        creations: Creations,
        registry: RegistryClient,
        engine: Engine,
        output: JobOutput,
        clock: Clock,
        scheduling: SchedulingService,
        check_budget: Callable[[str], None] = lambda _project: None,
        control: str = "",
        lives: Callable[[str], bool] = lambda _control: True,
    ) -> None:
        self._control = control
        self._lives = lives
        self._database = database
        self._repository = repository
        self._creations = creations
        self._registry = registry
        self._engine = engine
        self._members = Members(engine)
        self._output = output
        self._clock = clock
        self._scheduling = scheduling
        self._check_budget = check_budget

    def create_training(
        self,
        project: str,
        recipe: JobRecipe,
        model: str,
        resources: Resources,
        *,
        created_by: str,
        creation: Creation | None = None,
        placement: Placement = _ANYWHERE,
        rules: Sequence[RuleChoice] = (),
    ) -> Job:
        """Accept a training job, or refuse it with what is wrong. It is durable when this returns.

        Raises:
            InvalidInputError: unknown algorithm, hyper-parameter or channel, or a value out of its range.
            NotFoundError: a dataset version or the queue does not exist.
            JobNeverFitsError: it could not start even on an empty machine.
            BudgetExhaustedError: the project has spent its budget.
        """
        complete = self.complete(project, recipe)
        name = check_name(model, "model")
        return self.submit(
            project,
            JobKind.TRAINING,
            complete,
            name,
            resources,
            created_by=created_by,
            creation=creation,
            placement=placement,
            rules=rules,
        )

    def create_comparison(
        self,
        project: str,
        kind: JobKind,
        recipe: JobRecipe,
        resources: Resources,
        *,
        created_by: str,
        creation: Creation | None = None,
        placement: Placement = _ANYWHERE,
    ) -> Job:
        """Accept an evaluation or replay job, its candidates pinned to version numbers.

        Raises:
            NotFoundError: a dataset or model version, or the queue, does not exist.
            JobInvalidError: a candidate is a container image.
            JobNeverFitsError: it could not start even on an empty machine.
        """
        versions = [self._registry.model_version(project, ref) for ref in recipe.candidates]
        _check_comparable(versions)
        refs = tuple(version.ref for version in versions)
        complete = replace(recipe, channels=self.pinned(project, recipe.channels), candidates=refs)
        return self.submit(
            project, kind, complete, None, resources, created_by=created_by, creation=creation, placement=placement
        )

    def submit(
        self,
        project: str,
        kind: JobKind,
        recipe: JobRecipe,
        model: str | None,
        resources: Resources,
        *,
        created_by: str,
        creation: Creation | None = None,
        placement: Placement,
        rerun_of: str = "",
        rules: Sequence[RuleChoice] = (),
    ) -> Job:
        """Accept a job whose recipe is complete: checked, and pinned to versions. It is durable when this returns.

        Raises:
            JobNeverFitsError: no machine has what it asks for, or its project may not have it.
            RuleInvalidError: there is no such rule, or it has no such setting.
        """
        check_rules(rules)
        job = Job(
            project=project,
            id=new_id("job"),
            kind=kind,
            status=JobStatus.PENDING,
            recipe=recipe,
            resources=resources,
            model=model,
            attempt=1,
            sandbox=None,
            created_at=self._clock.now(),
            created_by=created_by,
            rerun_of=rerun_of,
            rules=(*rules,),
        )
        self._check_budget(project)
        entry = self._scheduling.place(job.id, project, resources, placement, self._usual_seconds(job))
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is None:
                self._repository.insert(connection, job)
                self._scheduling.enter(connection, entry)
                self._creations.record(connection, creation, job.id)
        self._scheduling.awake.set()
        return self.get(project, made or job.id)

    def complete(self, project: str, recipe: JobRecipe) -> JobRecipe:
        """A recipe for a built-in algorithm with its defaults filled in, pinned to dataset versions.

        Raises:
            InvalidInputError: unknown algorithm, hyper-parameter or channel, or a value out of its range.
            NotFoundError: there is no such dataset version.
        """
        description = catalog.describe(recipe.algorithm)
        if "train" not in recipe.channels:
            raise JobInvalidError(
                "The job has no 'train' channel", hint='Add "channels": {"train": {"dataset": ...}}.', field="channels"
            )
        if description.task in TABLE_TASKS and not recipe.target:
            raise JobInvalidError(
                f"{recipe.algorithm} learns from a table and needs the column to predict",
                hint='Name it as the target: "target" in a request, --target on the command line.',
                field="target",
            )
        given = hyperparameters.complete(description, recipe.hyperparameters)
        return replace(recipe, hyperparameters=given, channels=self.pinned(project, recipe.channels))

    def check_fits(self, project: str, resources: Resources, placement: Placement) -> None:
        """Nothing if such a job could start some day.

        Raises:
            JobNeverFitsError: no machine has what it asks for, or its project may not have it.
            BudgetExhaustedError: the project has spent its budget.
        """
        self._check_budget(project)
        self._scheduling.place(new_id("job"), project, resources, placement)

    def get(self, project: str, job_id: str) -> Job:
        """A job, its status checked against its process.

        Raises:
            JobNotFoundError: no such job in this project.
        """
        with self._database.read() as connection:
            job = self._repository.get(connection, project, job_id)
        if job is None:
            raise JobNotFoundError(
                f"There is no job '{job_id}' in project '{project}'", hint="GET .../jobs lists the jobs of a project."
            )
        return self._shown([job])[0]

    def list(
        self,
        project: str,
        *,
        status: JobStatus | None = None,
        kind: JobKind | None = None,
        page: PageQuery,
    ) -> Page[Job]:
        """Newest first."""
        with self._database.read() as connection:
            found = self._repository.list(connection, project, status=status, kind=kind, page=page)
        return page.page(self._shown(found), lambda job: (job.created_at, job.id))

    def stop(self, project: str, job_id: str) -> Job:
        """Ask a job to stop; what it did so far is lost. Asking twice is fine.

        Raises:
            JobNotFoundError: no such job.
            InvalidStateError: it has ended already.
        """
        job = self.get(project, job_id)
        if job.status.is_final:
            raise InvalidStateError(f"Job '{job_id}' has ended: {job.status}", hint="Nothing is left to stop.")
        with self._database.transaction() as connection:
            self._repository.request_stop(connection, job_id)
        self._scheduling.cancel(job_id)
        return self.get(project, job_id)

    def stop_all(self, project: str) -> None:
        """Ask every job of a project to stop that has not ended."""
        with self._database.read() as connection:
            unfinished = [job for job in self._repository.unfinished(connection) if job.project == project]
        for job in unfinished:
            if job.status is not JobStatus.STOPPING:
                with suppress(InvalidStateError):  # it has ended meanwhile
                    self.stop(project, job.id)

    def add_result(self, job: Job, told: Mapping[str, str | float]) -> Job:
        """Say of a job that has ended what was made of it since."""
        with self._database.transaction() as connection:
            known = self._repository.find(connection, job.id) or job
            result = {**known.result, **told}
            self._repository.save(connection, replace(known, result=result, version=known.version + 1))
        return self.get(job.project, job.id)

    def logs(self, project: str, job_id: str, offset: int, rank: int = 0) -> tuple[LogChunk, bool]:
        """Output from byte `offset`, and whether more may come: of a job that runs elsewhere nothing until it ends.

        Raises:
            JobNotFoundError: no such job.
            JobInvalidError: it has no member of this rank with an output of its own.
        """
        job = self.get(project, job_id)
        if rank >= process_count(job):
            raise JobInvalidError(
                f"Job '{job_id}' has no output of a rank {rank}",
                hint="Members on one machine share an output, whose lines begin with the rank. Else ranks begin at 0.",
                field="rank",
            )
        if not job.status.is_final and self._is_elsewhere(job):
            return LogChunk(text="", next_offset=offset), True
        return self._output.read(job, offset, rank), not job.status.is_final

    def metrics(self, project: str, job_id: str, page: PageQuery) -> Page[MetricPoint]:
        """Live metric values in order of arrival."""
        self.get(project, job_id)
        with self._database.read() as connection:
            rows = self._repository.points(connection, job_id, page)
        numbered = page.page(rows, lambda item: (item[0],))
        return Page(items=[point for _, point in numbered.items], next_cursor=numbered.next_cursor)

    def adopt(self) -> None:
        """Let jobs that were accepted before there were queues be seen by those: their workflows carry them already."""
        with self._database.read() as connection:
            unfinished = self._repository.unfinished(connection)
        known = self._scheduling.schedules([job.id for job in unfinished])
        for job in unfinished:
            if job.id not in known:
                entry = self._scheduling.place(job.id, job.project, Resources(), _ANYWHERE)
                with self._database.transaction() as connection:
                    self._scheduling.adopt(connection, entry)

    def reap(self) -> None:
        """Forget processes whose job has ended or is unknown, ending those that live."""
        for state in self._engine.list():
            job_id = state.labels.get("job")
            if job_id is None:
                continue
            with self._database.read() as connection:
                job = self._repository.find(connection, job_id)
            if job is None or (job.status.is_final and state.is_alive) or state.id not in process_ids(job):
                self._engine.remove(state.id)

    def is_project_empty(self, project: str) -> bool:
        """True if the project never ran a job."""
        with self._database.read() as connection:
            return self._repository.count(connection, project) == 0

    def pinned(self, project: str, channels: dict[str, DatasetRef]) -> dict[str, DatasetRef]:
        """Pin "the newest" to a number, so that the recipe means the same data for ever.

        Raises:
            NotFoundError: a dataset version does not exist.
        """
        return {
            role: DatasetRef(
                dataset=ref.dataset, number=self._registry.dataset_version(project, ref.dataset, ref.number).number
            )
            for role, ref in channels.items()
        }

    def _usual_seconds(self, job: Job) -> float | None:
        """How long such jobs took lately; None: there were none."""
        with self._database.read() as connection:
            earlier = self._repository.completed(connection, job.project, job.kind, job.model, _REMEMBERED_JOBS)
        seconds = [
            (each.ended_at - each.started_at).total_seconds()
            for each in earlier
            if each.ended_at and each.started_at and each.recipe.algorithm == job.recipe.algorithm
        ]
        return median(seconds) if seconds else None

    def _shown(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Jobs as they are shown: with their places in the queue and findings, checked against their processes."""
        schedules = self._scheduling.schedules([job.id for job in jobs if not job.status.is_final])
        findings: dict[str, list[Finding]] = defaultdict(list)
        with self._database.read() as connection:
            for finding in self._repository.findings(connection, [job.id for job in jobs]):
                findings[finding.job].append(finding)
        return [
            replace(self._truthful(job), schedule=schedules.get(job.id), findings=(*findings[job.id],)) for job in jobs
        ]

    def _truthful(self, job: Job) -> Job:
        """A RUNNING record whose process is gone is shown as STOPPING until its end has been recorded."""
        job = replace(job, progress=progress_of(job))
        if job.status is not JobStatus.RUNNING:
            return job
        if self._is_elsewhere(job):
            return job if self._lives(job.control) else replace(job, status=JobStatus.STOPPING)
        return job if self._members.are_running(job) else replace(job, status=JobStatus.STOPPING)

    def _is_elsewhere(self, job: Job) -> bool:
        return bool(job.control) and job.control != self._control


def progress_of(job: Job) -> JobProgress | None:
    """What the metrics of a batch job say."""
    found = job.metrics
    if job.kind is not JobKind.BATCH or TOTAL_ROWS not in found:
        return None
    end = None if job.status.is_final else found.get(EXPECTED_END)
    return JobProgress(
        rows=int(found.get(ROWS, 0)),
        total_rows=int(found[TOTAL_ROWS]),
        failed_rows=int(found.get(FAILED_ROWS, 0)),
        rows_per_second=found.get(ROWS_PER_SECOND, 0.0),
        expected_end=None if end is None else datetime.fromtimestamp(end, UTC),
    )


def _check_comparable(versions: Sequence[ModelVersion]) -> None:
    """An image runs beside a process, and two of them would listen at one port of its one loopback."""
    for version in versions:
        if version.manifest.artifact_format is ArtifactFormat.IMAGE:
            raise JobInvalidError(
                f"'{version.ref}' is a container image, which no job can load to compare it",
                hint="Deploy it as a shadow of the running version: a rollout compares their answers.",
                field="candidates",
            )
