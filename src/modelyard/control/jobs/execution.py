"""What the workflow of a job does: start, follow, settle, clean up. Every method may be repeated at any time."""

import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from modelyard.algorithms.jobfile import JobFile, JobResult
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.automl.work import AutoMLWork
from modelyard.control.jobs.batch.work import BatchWork
from modelyard.control.jobs.conditions import begun, read_machine, threads_of
from modelyard.control.jobs.contract.history import entered
from modelyard.control.jobs.contract.work import STOP_GRACE_SECONDS, ContractWork
from modelyard.control.jobs.debugging.watching import JobWatch, reason_of_stop
from modelyard.control.jobs.gangs.ending import accounts, has_failed, joint_end
from modelyard.control.jobs.gangs.members import Members, are_all_running, process_id
from modelyard.control.jobs.inputs import JobInputs, patiently
from modelyard.control.jobs.output import JobOutput, without_metrics
from modelyard.control.jobs.profiling.keeping import KeptSamples
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.scripts.work import ScriptWork
from modelyard.control.scheduling.records import Entry
from modelyard.control.scheduling.service import SchedulingService
from modelyard.engines.base import Engine, NoSuchNodeError, ProcessNotFoundError
from modelyard.errors import ModelyardError
from modelyard.kit.clock import Clock
from modelyard.kit.files import write_atomic
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.types.compute.scheduling import EntryState
from modelyard.types.contract.recipes import ContractRecipe, PhaseName
from modelyard.types.debugging.rules import DIAGNOSTICS, RuleAction
from modelyard.types.jobs import REPEATABLE, Job, JobEnd, JobKind, JobMember, JobStatus, MetricPoint
from modelyard.types.models import Lineage
from modelyard.types.processes import EndCause, Mount, ProcessEnd, ProcessSpec
from modelyard.types.scripting.recipes import ScriptRecipe

MAX_ATTEMPTS = 5
"""A job whose process was lost is started again this often; one that makes room for others, always; one that fails by
itself is not.

A batch or AutoML job is started again also when somebody killed its process: it loses no more than a shard, or a
candidate, by that.
"""

POLL_SECONDS = 0.2

_USUAL_GRACE_SECONDS = 5.0

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
        contracts: ContractWork,
        automl: AutoMLWork,
        engine: Engine,
        output: JobOutput,
        home: Home,
        clock: Clock,
        scheduling: SchedulingService,
        samples: KeptSamples,
        control: str = "",
    ) -> None:
        self._control = control
        self._database = database
        self._repository = repository
        self._registry = registry
        self._inputs = inputs
        self._batches = batches
        self._scripts = scripts
        self._contracts = contracts
        self._automl = automl
        self._engine = engine
        self._members = Members(engine)
        self._output = output
        self._samples = samples
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
        starting = replace(job, status=JobStatus.STARTING, control=self._control)
        self._save(entered(starting, PhaseName.DOWNLOADING, self._clock.now()))
        try:
            if not self._members.exist(job):  # one that was started before this was killed has its folder already
                self._members.submit(job, lambda: self._specs(job.id, entry))
        except ModelyardError as error:
            if isinstance(error, NoSuchNodeError) and self._is_host_gone(entry):
                self._plan_again(job)
                return False
            message = f"{error.message}. {error.hint}".strip()
            self._end(job, JobStatus.FAILED, JobEnd(cause=EndCause.START_FAILED, message=message))
            return False
        return True

    def follow(self, ticket: str) -> None:
        """Keep the record true while its processes live: its status, its metrics, an end that was asked for.

        The first member of a gang that fails ends the others.
        """
        job_id, is_stopping, is_leaving, is_broken = job_of(ticket), False, False, False
        watch = JobWatch(self._load(job_id), self._database, self._repository, self._clock)
        while True:
            job = self._load(job_id)
            try:
                states = self._members.wait(job, POLL_SECONDS)
            except ProcessNotFoundError:
                return
            if job.status is JobStatus.STARTING and are_all_running(states):
                first = states[0].state
                started = replace(job, status=JobStatus.RUNNING, started_at=first.started_at, sandbox=first.sandbox)
                self._save(entered(started, PhaseName.TRAINING, self._clock.now()))
            has_ended = joint_end(states) is not None
            watch.look(has_news=self._ingest_metrics(job_id), is_last=has_ended)
            self._keep_checkpoints(job)
            if job.recipe.automl is not None:
                self._automl.look(job)
            if has_ended:
                return
            if not is_stopping and self._is_stop_requested(job_id):
                is_stopping = True
                stopping = replace(self._load(job_id), status=JobStatus.STOPPING)
                self._save(entered(stopping, PhaseName.STOPPING, self._clock.now()))
                self._members.stop(job, grace_seconds=_stop_grace_seconds(job))
            elif not is_leaving and self._is_to_leave(job_id):
                is_leaving = True
                self._members.stop(job, grace_seconds=PREEMPTION_GRACE_SECONDS, is_preemption=True)
            elif not is_broken and any(has_failed(each.state) for each in states):
                is_broken = True
                self._members.stop(job)

    def settle(self, ticket: str) -> bool:
        """Record how the process ended and keep what it made; True if the job is to be tried again at once."""
        job, entry = self._load(job_of(ticket)), self._scheduling.entry(job_of(ticket))
        if job.status.is_final or entry is None or entry.ticket != ticket or not entry.holds_capacity:
            return False
        if job.status is JobStatus.PENDING:
            return True  # the next attempt was prepared, and then this was killed
        end, members = self._process_end(job, entry)
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
            self._complete(job, JobEnd(cause=EndCause.EXIT, message=end.message, exit_code=0, members=members))
        else:
            status = JobStatus.STOPPED if _is_stopped(job, end) else JobStatus.FAILED
            ended = self._with_results(job) if _is_stopped(job, end) else job
            self._end(ended, status, replace(self._account(job, end), members=members))
        return False

    def clean(self, ticket: str) -> None:
        """Archive the output, forget the process, remove the job's folder; nothing while the job waits again."""
        job = self._load(job_of(ticket))
        if not job.status.is_final:
            return
        self._forget_processes(job)
        shutil.rmtree(self._folder(job), ignore_errors=True)
        self._batches.remove(job)
        self._scripts.remove(job)
        self._contracts.remove(job)
        self._automl.remove(job)

    def _specs(self, job_id: str, entry: Entry) -> list[ProcessSpec]:
        """The processes of a job's present attempt, its files in place, each on the host that was planned for it."""
        job = self._load(job_id)
        fetched: dict[str, str] = {}
        if job.recipe.contract is not None:
            spec = self._contract(job, job.recipe.contract)
        elif job.recipe.script is not None:
            script, spec = self._script(job, job.recipe.script)
            fetched = self._scripts.digests(job, script)
        else:
            spec = self._prepare(job)
        if job.kind in REPEATABLE:
            self._save(replace(self._load(job_id), conditions=begun(job, self._inputs, fetched)))
        specs = self._scripts.members(job, spec) if entry.is_distributed else [spec]
        together = 1 if entry.is_distributed else entry.hosts
        labels, memory_bytes = _labels(job, entry, together), entry.memory_bytes * together
        hosts = entry.held_hosts or ("",)
        return [
            replace(each, labels=labels, node=host, node_memory_bytes=memory_bytes)
            for each, host in zip(specs, hosts, strict=True)
        ]

    def _script(self, job: Job, recipe: ScriptRecipe) -> tuple[ScriptRecipe, ProcessSpec]:
        script = self._scripts.pinned(recipe)
        if script != recipe:
            job = replace(job, recipe=replace(job.recipe, script=script))
            self._save(job)
        return script, self._scripts.prepare(job, script, self._folder(job))

    def _contract(self, job: Job, recipe: ContractRecipe) -> ProcessSpec:
        def keep(pinned: ContractRecipe) -> None:
            self._save(replace(job, recipe=replace(job.recipe, contract=pinned)))

        return self._contracts.prepare(job, recipe, self._folder(job), keep)

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
        checkpoints = None
        if job.recipe.automl is not None:
            checkpoints, mount = self._automl.prepare(job)
            mounts = (mount,)
        file = JobFile(
            recipe=job.recipe,
            channels=channels,
            candidates=candidates,
            threads=threads_of(job),
            batch=batch,
            checkpoints=checkpoints,
        )
        write_atomic(folder / "job.json", file.to_json())
        inputs = [channel.path for channel in channels.values()] + list(candidates.values())
        return ProcessSpec(
            command=(sys.executable, "-m", "modelyard.algorithms.run", "--job", str(folder)),
            work_directory=str(folder),
            mounts=(*(Mount(path=str(path)) for path in inputs), *mounts),
            resources=job.resources,
            has_loopback=has_loopback,
        )

    def _complete(self, job: Job, end: JobEnd) -> None:
        folder, contract = self._folder(job), job.recipe.contract
        try:
            figures: dict[str, str | float]
            if contract is not None:
                job = self._enter(job, PhaseName.UPLOADING)
                figures = {**self._contracts.conclude(job, contract, folder)}
            elif job.recipe.script is not None:
                figures = self._scripts.conclude(job, job.recipe.script, folder)
            else:
                figures = dict(JobResult.read(folder / "result.json").figures)
            if job.recipe.automl is not None:
                self._automl.look(job)
            if _makes_model(job):
                figures["model_version"] = self._register(job, folder / "output")
            elif job.recipe.batch is not None:
                figures["dataset"] = self._batches.publish(job, job.recipe.batch, folder)
        except ModelyardError as error:
            message = f"The job ended well but its result could not be kept: {error.message}. {error.hint}"
            self._end(job, JobStatus.FAILED, replace(end, message=message))
            return
        self._end(replace(job, result=figures), JobStatus.COMPLETED, end)

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
        told = self._stopped_by_rule(job) if end.cause is EndCause.STOPPED else ""
        if not told and job.recipe.script is not None:
            told = self._scripts.account(self._folder(job))
        if not told and job.recipe.contract is not None:
            told = self._contracts.account(job, job.recipe.contract, self._folder(job), end)
        message = f"{error.message}. {error.hint}".strip() if error else told or end.message
        return JobEnd(cause=end.cause, message=message, exit_code=end.exit_code, log_tail=without_metrics(end.log_tail))

    def _stopped_by_rule(self, job: Job) -> str:
        """Why a rule asked for the end; empty if none did."""
        with self._database.read() as connection:
            found = self._repository.findings(connection, [job.id])
        return next((reason_of_stop(each) for each in found if each.action is RuleAction.STOP), "")

    def _process_end(self, job: Job, entry: Entry) -> tuple[ProcessEnd, tuple[JobMember, ...]]:
        """How it ended, and of a gang on several machines how each member did."""
        lost = ProcessEnd(cause=EndCause.LOST, message="Its process is gone and left no account of its end.")
        try:
            states = self._members.states(job)
        except ProcessNotFoundError:
            return lost, ()
        return joint_end(states) or lost, accounts(states, entry.held_hosts)

    def _is_host_gone(self, entry: Entry) -> bool:
        """Whether a machine that was planned for a job is no longer there."""
        alive = {node.name for node in self._engine.nodes() if node.is_alive}
        return not alive.issuperset(entry.held_hosts or ("",))

    def _plan_again(self, job: Job) -> None:
        """Nothing has run, or not all of a gang: it waits with its old place for another machine."""
        self._members.remove(job)
        with self._database.transaction() as connection:
            self._repository.save(connection, replace(job, status=JobStatus.PENDING, version=job.version + 1))
            self._scheduling.plan_again(connection, job.id)
        self._scheduling.awake.set()

    def _try_again(self, job: Job, entry: Entry, *, waits: bool) -> None:
        """Prepare the next attempt; with `waits` it stands in the queue again and others run meanwhile."""
        self._forget_processes(job)
        # It goes on from its checkpoint: what it has measured so far counts.
        contract, script = job.recipe.contract, job.recipe.script
        is_resumed = script is not None or contract is not None or job.recipe.automl is not None
        if contract is not None:
            with suppress(ModelyardError):  # the folder of checkpoints is still here
                self._contracts.suspend(job, contract)
            job = entered(job, PhaseName.INTERRUPTED, self._clock.now())
        elif script is not None:
            self._scripts.suspend(job)
        elif is_resumed:
            self._automl.suspend(job)
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

    def _keep_checkpoints(self, job: Job) -> None:
        """Upload what a job of the contract has written; a bucket that is away for a moment is asked again later."""
        if job.recipe.contract is not None:
            with suppress(ModelyardError):
                self._contracts.follow(job, job.recipe.contract)

    def _with_results(self, job: Job) -> Job:
        """A stopped job of the contract, with what it had made by then."""
        contract = job.recipe.contract
        if contract is None:
            return job
        job = self._enter(job, PhaseName.UPLOADING)
        with suppress(ModelyardError):  # it was stopped: that its model is missing is no other end
            return replace(job, result={**self._contracts.conclude(job, contract, self._folder(job))})
        return job

    def _enter(self, job: Job, phase: PhaseName) -> Job:
        job = entered(job, phase, self._clock.now())
        self._save(job)
        return self._load(job.id)

    def _ingest_metrics(self, job_id: str) -> bool:
        """Store the metric lines that have come since the last look; a crash in between stores none twice.

        True if there were any.
        """
        has_news = False
        while True:
            with self._database.transaction() as connection:
                job = self._repository.find(connection, job_id)
                if job is None or not self._members.exist(job):
                    return has_news
                offset = self._repository.log_offset(connection, job_id)
                points, next_offset = self._output.metric_lines(job, offset, self._clock.now())
                if next_offset == offset:
                    return has_news
                self._repository.set_log_offset(connection, job_id, next_offset)
                if points:
                    has_news = True
                    self._repository.add_points(connection, job_id, points)
                    told = {point.name: point.value for point in points if not _is_diagnostic(point)}
                    latest = {**job.metrics, **told}
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

    def _forget_processes(self, job: Job) -> None:
        """Keep the output and the samples of the present attempt, and let go of what ran it."""
        if self._members.exist(job):
            self._output.archive(job)
            self._samples.archive(job)
        self._members.remove(job)

    def _folder(self, job: Job) -> Path:
        return self._home.run / "jobs" / process_id(job)


def _stop_grace_seconds(job: Job) -> float:
    return _USUAL_GRACE_SECONDS if job.recipe.contract is None else STOP_GRACE_SECONDS


def _is_stopped(job: Job, end: ProcessEnd) -> bool:
    """Whether that end is no failure; under the container contract neither is the time limit, which keeps the model."""
    return end.cause is EndCause.STOPPED or (end.cause is EndCause.TIMEOUT and job.recipe.contract is not None)


def _is_diagnostic(point: MetricPoint) -> bool:
    return point.name.partition("/")[0] in DIAGNOSTICS


def _labels(job: Job, entry: Entry, together: int) -> dict[str, str]:
    """Whose process it is, and what it is metered as: so many members are one process."""
    gpus = f"{entry.gpus * together:g}"
    more = {"spot": "yes" if entry.is_spot else "", "gpus": gpus, "reservation": entry.reservation or ""}
    return {"job": job.id, "project": job.project, "model": job.model or "", **more}


def _is_worth_another_try(job: Job, end: ProcessEnd) -> bool:
    is_killed = end.cause is EndCause.SIGNAL and end.signal == signal.SIGKILL
    return end.cause in (EndCause.LOST, EndCause.PREEMPTED) or (
        job.kind in (JobKind.BATCH, JobKind.AUTOML) and is_killed
    )


def _makes_model(job: Job) -> bool:
    is_estimate = job.recipe.automl is not None and job.recipe.automl.is_estimate
    return job.kind in (JobKind.TRAINING, JobKind.AUTOML) and not is_estimate


def _has_retries(job: Job, entry: Entry, end: ProcessEnd) -> bool:
    """Whether a job that failed by itself asked for another attempt."""
    script = job.recipe.script
    if script is None or end.cause not in _OWN_FAULTS or end.exit_code == 0:
        return False
    return job.attempt - entry.preemptions <= script.retries
