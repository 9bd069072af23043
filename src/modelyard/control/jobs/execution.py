"""What the workflow of a job does: start, follow, settle, clean up. Every method may be repeated at any time."""

import shutil
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from modelyard.algorithms.jobfile import JobResult
from modelyard.control.jobs.conditions import begun, read_machine
from modelyard.control.jobs.contract.history import entered
from modelyard.control.jobs.debugging.watching import JobWatch, reason_of_stop
from modelyard.control.jobs.gangs.ending import accounts, has_failed, joint_end
from modelyard.control.jobs.gangs.members import Members, are_all_running, process_id
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.kinds.base import Kind
from modelyard.control.jobs.kinds.catalog import Kinds
from modelyard.control.jobs.output import JobOutput, without_metrics
from modelyard.control.jobs.profiling.keeping import KeptSamples
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.scheduling.records import Entry
from modelyard.control.scheduling.service import SchedulingService
from modelyard.engines.base import Engine, NoSuchNodeError, ProcessNotFoundError
from modelyard.errors import ModelyardError
from modelyard.kit.clock import Clock
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.types.compute.scheduling import EntryState
from modelyard.types.contract.recipes import PhaseName
from modelyard.types.debugging.rules import DIAGNOSTICS, RuleAction
from modelyard.types.jobs import REPEATABLE, Job, JobEnd, JobMember, JobStatus, MetricPoint
from modelyard.types.processes import EndCause, ProcessEnd, ProcessSpec

MAX_ATTEMPTS = 5
"""A job whose process was lost is started again this often; one that makes room for others, always; one that fails by
itself is not.

Kinds whose attempts lose little are started again also when somebody killed their process.
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
        kinds: Kinds,
        inputs: JobInputs,
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
        self._kinds = kinds
        self._inputs = inputs
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
        first_seen = self._load(job_id)
        kind, watch = self._kinds.of(first_seen), JobWatch(first_seen, self._database, self._repository, self._clock)
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
            kind.look(job)
            if has_ended:
                return
            if not is_stopping and self._is_stop_requested(job_id):
                is_stopping = True
                stopping = replace(self._load(job_id), status=JobStatus.STOPPING)
                self._save(entered(stopping, PhaseName.STOPPING, self._clock.now()))
                self._members.stop(job, grace_seconds=kind.grace_seconds)
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
        kind = self._kinds.of(job)
        if _is_worth_another_try(kind, end) or _has_retries(kind.retries(job), job, entry, end):
            if self._is_stop_requested(job.id):
                end = replace(end, cause=EndCause.STOPPED, message="It was stopped.")
            elif entry.state is EntryState.LEAVING or job.attempt - entry.preemptions < MAX_ATTEMPTS:
                waits = entry.state is EntryState.LEAVING or self._is_host_gone(entry)
                self._try_again(job, entry, waits=waits)
                return not waits
        if end.cause is EndCause.EXIT and end.exit_code == 0:
            self._complete(job, JobEnd(cause=EndCause.EXIT, message=end.message, exit_code=0, members=members))
        else:
            is_stopped = end.cause is EndCause.STOPPED or (end.cause is EndCause.TIMEOUT and kind.keeps_unfinished)
            ended = self._with_results(job) if is_stopped and kind.keeps_unfinished else job
            status = JobStatus.STOPPED if is_stopped else JobStatus.FAILED
            self._end(ended, status, replace(self._account(job, end), members=members))
        return False

    def clean(self, ticket: str) -> None:
        """Archive the output, forget the process, remove the job's folder; nothing while the job waits again."""
        job = self._load(job_of(ticket))
        if not job.status.is_final:
            return
        self._forget_processes(job)
        shutil.rmtree(self._folder(job), ignore_errors=True)
        self._kinds.of(job).remove(job)

    def _specs(self, job_id: str, entry: Entry) -> list[ProcessSpec]:
        """The processes of a job's present attempt, its files in place, each on the host that was planned for it."""
        job = self._load(job_id)
        kind = self._kinds.of(job)
        spec = kind.prepare(job, self._folder(job), self._save)
        if job.kind in REPEATABLE:
            self._save(replace(self._load(job_id), conditions=begun(job, self._inputs, kind.digests(job))))
        specs = kind.members(job, spec) if entry.is_distributed else [spec]
        together = 1 if entry.is_distributed else entry.hosts
        labels, memory_bytes = _labels(job, entry, together), entry.memory_bytes * together
        hosts = entry.held_hosts or ("",)
        return [
            replace(each, labels=labels, node=host, node_memory_bytes=memory_bytes)
            for each, host in zip(specs, hosts, strict=True)
        ]

    def _complete(self, job: Job, end: JobEnd) -> None:
        job = self._enter(job, PhaseName.UPLOADING)
        try:
            figures = self._kinds.of(job).conclude(job, self._folder(job))
        except ModelyardError as error:
            message = f"The job ended well but its result could not be kept: {error.message}. {error.hint}"
            self._end(job, JobStatus.FAILED, replace(end, message=message))
            return
        self._end(replace(job, result=figures), JobStatus.COMPLETED, end)

    def _account(self, job: Job, end: ProcessEnd) -> JobEnd:
        """The process's end, or what the job itself said was wrong."""
        try:
            error = JobResult.read(self._folder(job) / "result.json").error
        except ModelyardError:
            error = None
        told = self._stopped_by_rule(job) if end.cause is EndCause.STOPPED else ""
        told = told or self._kinds.of(job).account(job, self._folder(job), end)
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
        kind = self._kinds.of(job)
        kind.suspend(job)
        job = entered(job, PhaseName.INTERRUPTED, self._clock.now())
        shutil.rmtree(self._folder(job), ignore_errors=True)
        with self._database.transaction() as connection:
            self._repository.set_log_offset(connection, job.id, 0)
            again = replace(job, status=JobStatus.PENDING, attempt=job.attempt + 1, version=job.version + 1)
            if not kind.is_resumed:
                self._repository.remove_points(connection, job.id)
                again = replace(again, metrics={})
            self._repository.save(connection, again)
            if waits and entry.state is EntryState.LEAVING:
                self._scheduling.wait_again(connection, job.id)
            elif waits:
                self._scheduling.plan_again(connection, job.id)
        self._scheduling.awake.set()

    def _with_results(self, job: Job) -> Job:
        """A stopped job, with what it had made by then."""
        job = self._enter(job, PhaseName.UPLOADING)
        with suppress(ModelyardError):  # it was stopped: that its model is missing is no other end
            return replace(job, result=self._kinds.of(job).conclude(job, self._folder(job)))
        return job

    def _enter(self, job: Job, phase: PhaseName) -> Job:
        """The job, busy with something else if its kind has phases."""
        now = entered(job, phase, self._clock.now())
        if now is job:
            return job
        self._save(now)
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
                    if offset == 0 and job.attempt > 1:
                        self._repository.rewind_points(connection, job_id, points)
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


def _is_diagnostic(point: MetricPoint) -> bool:
    return point.name.partition("/")[0] in DIAGNOSTICS


def _labels(job: Job, entry: Entry, together: int) -> dict[str, str]:
    """Whose process it is, and what it is metered as: so many members are one process."""
    gpus = f"{entry.gpus * together:g}"
    more = {"spot": "yes" if entry.is_spot else "", "gpus": gpus, "reservation": entry.reservation or ""}
    return {"job": job.id, "project": job.project, "model": job.model or "", **more}


def _is_worth_another_try(kind: Kind, end: ProcessEnd) -> bool:
    is_killed = end.cause is EndCause.SIGNAL and end.signal == signal.SIGKILL
    return end.cause in (EndCause.LOST, EndCause.PREEMPTED) or (kind.outlives_kills and is_killed)


def _has_retries(retries: int, job: Job, entry: Entry, end: ProcessEnd) -> bool:
    """Whether a job that failed by itself asked for another attempt."""
    if end.cause not in _OWN_FAULTS or end.exit_code == 0:
        return False
    return job.attempt - entry.preemptions <= retries
