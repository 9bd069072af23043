"""What the workflow of a job does: start, follow, settle, clean up. Every method may be repeated at any time."""

import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

from modelyard.algorithms.jobfile import JobFile, JobResult
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.batch.work import BatchWork
from modelyard.control.jobs.conditions import begun, read_machine, threads_of
from modelyard.control.jobs.inputs import JobInputs, patiently
from modelyard.control.jobs.output import JobOutput, without_metrics
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.scripts.work import ScriptWork
from modelyard.control.jobs.service import process_id
from modelyard.control.scheduling.records import Entry
from modelyard.control.scheduling.service import SchedulingService
from modelyard.engines.base import Engine, NoSuchNodeError, ProcessNotFoundError
from modelyard.errors import ModelyardError
from modelyard.kit.clock import Clock
from modelyard.kit.files import write_atomic
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.types.compute.scheduling import EntryState
from modelyard.types.jobs import REPEATABLE, Job, JobEnd, JobKind, JobStatus
from modelyard.types.models import Lineage
from modelyard.types.processes import EndCause, Mount, ProcessEnd, ProcessSpec, ProcessStatus
from modelyard.types.scripting.recipes import ScriptRecipe

MAX_ATTEMPTS = 5
"""A job whose process was lost is started again this often; one that makes room for others, always; one that fails by
itself is not.

A batch job is started again also when somebody killed its process: it loses no more than a shard by that.
"""

POLL_SECONDS = 0.2

PREEMPTION_GRACE_SECONDS = 20.0
"""Between the SIGTERM that asks a spot job to leave and the SIGKILL: time to write a checkpoint."""


_OWN_FAULTS = (EndCause.EXIT, EndCause.SIGNAL, EndCause.OUT_OF_MEMORY, EndCause.TIMEOUT, EndCause.DISK_LIMIT)


def job_of(ticket: str) -> str:
    """The job that a ticket is for."""
    return ticket.partition("/")[0]


class JobExecution:
    """Carries jobs through their lives. Holds no state but the database, the engine and the jobs' folders."""

    def __init__(
        self,
        *,
        database: Database,
        repository: JobRepository,
        registry: RegistryClient,
        inputs: JobInputs,
        batches: BatchWork,
        scripts: ScriptWork,
        engine: Engine,
        output: JobOutput,
        home: Home,
        clock: Clock,
        scheduling: SchedulingService,
        control: str = "",
    ) -> None:
        self._control = control
        self._database = database
        self._repository = repository
        self._registry = registry
        self._inputs = inputs
        self._batches = batches
        self._scripts = scripts
        self._engine = engine
        self._output = output
        self._home = home
        self._clock = clock
        self._scheduling = scheduling

    def start(self, ticket: str) -> bool:
        """Fetch the inputs and submit the process; False if the job has ended instead, or this is an old ticket."""
        job, entry = self._load(job_of(ticket)), self._scheduling.entry(job_of(ticket))
        if job.status.is_final or entry is None or entry.ticket != ticket or entry.state is EntryState.WAITING:
            return False
        if self._is_stop_requested(job.id):
            self._end(job, JobStatus.STOPPED, JobEnd(cause=EndCause.STOPPED, message="It was stopped before it ran."))
            return False
        if entry.state is EntryState.ENDING:
            message = f"It did not run: {entry.reason}."
            self._end(job, JobStatus.FAILED, JobEnd(cause=EndCause.EXPIRED, message=message))
            return False
        self._save(replace(job, status=JobStatus.STARTING, control=self._control))
        try:
            if not self._has_process(job):  # one that was started before this was killed has its folder already
                self._engine.submit(process_id(job), self._spec(job.id, entry))
        except ModelyardError as error:
            if isinstance(error, NoSuchNodeError) and self._is_host_gone(entry):
                self._plan_again(job)
                return False
            message = f"{error.message}. {error.hint}".strip()
            self._end(job, JobStatus.FAILED, JobEnd(cause=EndCause.START_FAILED, message=message))
            return False
        return True

    def follow(self, ticket: str) -> None:
        """Keep the record true while the process lives: its status, its metrics, an end that was asked for."""
        job_id, is_stopping, is_leaving = job_of(ticket), False, False
        while True:
            job = self._load(job_id)
            try:
                state = self._engine.wait(process_id(job), POLL_SECONDS)
            except ProcessNotFoundError:
                return
            if state.status is ProcessStatus.RUNNING and job.status is JobStatus.STARTING:
                started = replace(job, status=JobStatus.RUNNING, started_at=state.started_at, sandbox=state.sandbox)
                self._save(started)
            self._ingest_metrics(job_id)
            if not state.is_alive:
                return
            if not is_stopping and self._is_stop_requested(job_id):
                is_stopping = True
                self._save(replace(self._load(job_id), status=JobStatus.STOPPING))
                self._engine.stop(process_id(job))
            elif not is_leaving and self._is_to_leave(job_id):
                is_leaving = True
                self._engine.stop(process_id(job), grace_seconds=PREEMPTION_GRACE_SECONDS, is_preemption=True)

    def settle(self, ticket: str) -> bool:
        """Record how the process ended and keep what it made; True if the job is to be tried again at once."""
        job, entry = self._load(job_of(ticket)), self._scheduling.entry(job_of(ticket))
        if job.status.is_final or entry is None or entry.ticket != ticket or not entry.holds_capacity:
            return False
        if job.status is JobStatus.PENDING:
            return True  # the next attempt was prepared, and then this was killed
        end = self._process_end(job)
        if job.conditions is not None:
            machine = read_machine(self._folder(job))
            job = replace(job, conditions=replace(job.conditions, machine=machine))
        if _is_worth_another_try(job, end) or _has_retries(job, entry, end):
            if self._is_stop_requested(job.id):
                end = replace(end, cause=EndCause.STOPPED, message="It was stopped.")
            elif entry.state is EntryState.LEAVING or job.attempt - entry.preemptions < MAX_ATTEMPTS:
                waits = entry.state is EntryState.LEAVING or self._is_host_gone(entry)
                self._try_again(job, entry, waits=waits)
                return not waits
        if end.cause is EndCause.EXIT and end.exit_code == 0:
            self._complete(job, end)
        else:
            status = JobStatus.STOPPED if end.cause is EndCause.STOPPED else JobStatus.FAILED
            self._end(job, status, self._account(job, end))
        return False

    def clean(self, ticket: str) -> None:
        """Archive the output, forget the process, remove the job's folder; nothing while the job waits again."""
        job = self._load(job_of(ticket))
        if not job.status.is_final:
            return
        if self._has_process(job):
            self._output.archive(job)
            self._engine.remove(process_id(job))
        shutil.rmtree(self._folder(job), ignore_errors=True)
        self._batches.remove(job)
        self._scripts.remove(job)

    def _spec(self, job_id: str, entry: Entry) -> ProcessSpec:
        """The process of a job's present attempt, its files in place, on the host that was planned for it."""
        job = self._load(job_id)
        if job.recipe.script is None:
            spec, fetched = self._prepare(job), {}
        else:
            script, spec = self._script(job, job.recipe.script)
            fetched = self._scripts.digests(job, script)
        if job.kind in REPEATABLE:
            self._save(replace(self._load(job_id), conditions=begun(job, self._inputs, fetched)))
        memory_bytes = entry.memory_bytes * entry.hosts
        return replace(spec, labels=_labels(job, entry), node=entry.host or "", node_memory_bytes=memory_bytes)

    def _script(self, job: Job, recipe: ScriptRecipe) -> tuple[ScriptRecipe, ProcessSpec]:
        script = self._scripts.pinned(recipe)
        if script != recipe:
            job = replace(job, recipe=replace(job.recipe, script=script))
            self._save(job)
        return script, self._scripts.prepare(job, script, self._folder(job))

    def _prepare(self, job: Job) -> ProcessSpec:
        folder = self._folder(job)
        (folder / "output").mkdir(parents=True, exist_ok=True)
        channels = {role: self._inputs.channel(job.project, ref) for role, ref in job.recipe.channels.items()}
        candidates = {ref: self._inputs.bundle(job.project, ref) for ref in job.recipe.candidates}
        batch, has_loopback = None, False
        mounts: tuple[Mount, ...] = ()
        if job.recipe.batch is not None:
            (bundle,) = candidates.values()
            batch, mounts = self._batches.prepare(job, job.recipe.batch, bundle)
            has_loopback = self._batches.has_loopback(bundle)
        threads = threads_of(job)
        file = JobFile(recipe=job.recipe, channels=channels, candidates=candidates, threads=threads, batch=batch)
        write_atomic(folder / "job.json", file.to_json())
        inputs = [channel.path for channel in channels.values()] + list(candidates.values())
        return ProcessSpec(
            command=(sys.executable, "-m", "modelyard.algorithms.run", "--job", str(folder)),
            work_directory=str(folder),
            mounts=(*(Mount(path=str(path)) for path in inputs), *mounts),
            resources=job.resources,
            has_loopback=has_loopback,
        )

    def _complete(self, job: Job, end: ProcessEnd) -> None:
        folder = self._folder(job)
        try:
            if job.recipe.script is not None:
                figures = self._scripts.conclude(job, job.recipe.script, folder)
            else:
                figures = dict(JobResult.read(folder / "result.json").figures)
            if job.kind is JobKind.TRAINING:
                figures["model_version"] = self._register(job, folder / "output")
            elif job.recipe.batch is not None:
                figures["dataset"] = self._batches.publish(job, job.recipe.batch, folder)
        except ModelyardError as error:
            message = f"The job ended well but its result could not be kept: {error.message}. {error.hint}"
            self._end(job, JobStatus.FAILED, JobEnd(cause=EndCause.EXIT, message=message, exit_code=0))
            return
        done = JobEnd(cause=EndCause.EXIT, message=end.message, exit_code=0)
        self._end(replace(job, result=figures), JobStatus.COMPLETED, done)

    def _register(self, job: Job, bundle: Path) -> str:
        model = job.model or job.id
        data = tuple(self._inputs.channel(job.project, ref).reference for ref in job.recipe.channels.values())
        lineage = Lineage(job=job.id, datasets=data, created_by=job.created_by)
        version = patiently(
            lambda: self._registry.register_model(job.project, model, bundle, lineage, idempotency_key=job.id)
        )
        return version.ref

    def _account(self, job: Job, end: ProcessEnd) -> JobEnd:
        """The process's end, or what the job itself said was wrong."""
        try:
            error = JobResult.read(self._folder(job) / "result.json").error
        except ModelyardError:
            error = None
        told = self._scripts.account(self._folder(job)) if job.recipe.script is not None else ""
        message = f"{error.message}. {error.hint}".strip() if error else told or end.message
        return JobEnd(cause=end.cause, message=message, exit_code=end.exit_code, log_tail=without_metrics(end.log_tail))

    def _process_end(self, job: Job) -> ProcessEnd:
        lost = ProcessEnd(cause=EndCause.LOST, message="Its process is gone and left no account of its end.")
        try:
            return self._engine.state(process_id(job)).end or lost
        except ProcessNotFoundError:
            return lost

    def _is_host_gone(self, entry: Entry) -> bool:
        """Whether the machine that was planned for a job is no longer there."""
        return entry.host not in [node.name for node in self._engine.nodes() if node.is_alive]

    def _plan_again(self, job: Job) -> None:
        """Nothing has run: it waits with its old place for another machine."""
        with self._database.transaction() as connection:
            self._repository.save(connection, replace(job, status=JobStatus.PENDING, version=job.version + 1))
            self._scheduling.plan_again(connection, job.id)
        self._scheduling.awake.set()

    def _try_again(self, job: Job, entry: Entry, *, waits: bool) -> None:
        """Prepare the next attempt; with `waits` it stands in the queue again and others run meanwhile."""
        if self._has_process(job):
            self._output.archive(job)
            self._engine.remove(process_id(job))
        is_resumed = job.recipe.script is not None  # it goes on from its checkpoint: what it has measured so far counts
        if is_resumed:
            self._scripts.suspend(job)
        shutil.rmtree(self._folder(job), ignore_errors=True)
        with self._database.transaction() as connection:
            self._repository.set_log_offset(connection, job.id, 0)
            again = replace(job, status=JobStatus.PENDING, attempt=job.attempt + 1, version=job.version + 1)
            if not is_resumed:
                self._repository.remove_points(connection, job.id)
                again = replace(again, metrics={})
            self._repository.save(connection, again)
            if waits and entry.state is EntryState.LEAVING:
                self._scheduling.wait_again(connection, job.id)
            elif waits:
                self._scheduling.plan_again(connection, job.id)
        self._scheduling.awake.set()

    def _ingest_metrics(self, job_id: str) -> None:
        """Store the metric lines that have come since the last look; a crash in between stores none twice."""
        while True:
            with self._database.transaction() as connection:
                job = self._repository.find(connection, job_id)
                if job is None or not self._has_process(job):
                    return
                offset = self._repository.log_offset(connection, job_id)
                points, next_offset = self._output.metric_lines(job, offset, self._clock.now())
                if next_offset == offset:
                    return
                self._repository.set_log_offset(connection, job_id, next_offset)
                if points:
                    self._repository.add_points(connection, job_id, points)
                    latest = {**job.metrics, **{point.name: point.value for point in points}}
                    self._repository.save(connection, replace(job, metrics=latest))

    def _end(self, job: Job, status: JobStatus, end: JobEnd) -> None:
        ended = replace(job, status=status, end=end, ended_at=self._clock.now(), version=job.version + 1)
        with self._database.transaction() as connection:
            self._repository.save(connection, ended)
            self._scheduling.leave(connection, job.id)
        self._scheduling.awake.set()

    def _save(self, job: Job) -> None:
        with self._database.transaction() as connection:
            self._repository.save(connection, replace(job, version=job.version + 1))

    def _load(self, job_id: str) -> Job:
        with self._database.read() as connection:
            job = self._repository.find(connection, job_id)
        if job is None:
            raise LookupError(job_id)  # a workflow without its record: the database was put back by hand
        return job

    def _is_stop_requested(self, job_id: str) -> bool:
        with self._database.read() as connection:
            return self._repository.is_stop_requested(connection, job_id)

    def _is_to_leave(self, job_id: str) -> bool:
        entry = self._scheduling.entry(job_id)
        return entry is not None and entry.state is EntryState.LEAVING

    def _has_process(self, job: Job) -> bool:
        try:
            self._engine.state(process_id(job))
        except ProcessNotFoundError:
            return False
        return True

    def _folder(self, job: Job) -> Path:
        return self._home.run / "jobs" / process_id(job)


def _labels(job: Job, entry: Entry) -> dict[str, str]:
    """Whose process it is, and what it is metered as."""
    gpus = f"{entry.gpus * entry.hosts:g}"
    more = {"spot": "yes" if entry.is_spot else "", "gpus": gpus, "reservation": entry.reservation or ""}
    return {"job": job.id, "project": job.project, "model": job.model or "", **more}


def _is_worth_another_try(job: Job, end: ProcessEnd) -> bool:
    is_killed = end.cause is EndCause.SIGNAL and end.signal == signal.SIGKILL
    return end.cause in (EndCause.LOST, EndCause.PREEMPTED) or (job.kind is JobKind.BATCH and is_killed)


def _has_retries(job: Job, entry: Entry, end: ProcessEnd) -> bool:
    """Whether a job that failed by itself asked for another attempt."""
    script = job.recipe.script
    if script is None or end.cause not in _OWN_FAULTS or end.exit_code == 0:
        return False
    return job.attempt - entry.preemptions <= script.retries
