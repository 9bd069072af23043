"""Moves one replica at a time towards what is wanted: STARTING, PROVING, READY, DRAINING, ENDED."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from modelyard.control.endpoints.hosting.hosts import HOST_LABELS
from modelyard.control.endpoints.hosting.verdict import Verdict
from modelyard.control.endpoints.reconciliation.launch import Launcher, account
from modelyard.control.endpoints.reconciliation.processes import ReplicaProcesses
from modelyard.control.endpoints.reconciliation.tasks import Tasks
from modelyard.control.endpoints.reconciliation.timing import Timing
from modelyard.control.endpoints.reconciliation.watch import ReplicaWatch
from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord, Slot
from modelyard.control.endpoints.repository import ReplicaRepository
from modelyard.control.events.service import EventService
from modelyard.engines.base import Engine
from modelyard.errors import ModelyardError, TemporaryError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.database import Database
from modelyard.types.endpoints import ReplicaStatus
from modelyard.types.processes import ProcessEnd, ProcessState

_log = structlog.get_logger(__name__)
_MAXIMUM_REASON = 2000


class ReplicaKeeper:
    """Keeps each replica's row and process in step. What it knows besides the rows may be lost at any moment.

    A row is there before its process and goes after it, so that no process is ever without a row.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: ReplicaRepository,
        engine: Engine,
        processes: ReplicaProcesses,
        launcher: Launcher,
        events: EventService,
        tasks: Tasks,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._database = database
        self._repository = repository
        self._engine = engine
        self._processes = processes
        self._launcher = launcher
        self._events = events
        self._tasks = tasks
        self._clock = clock
        self._timing = timing
        self._watch = ReplicaWatch(clock, timing.silence_seconds)
        self._out_of_table_since: dict[str, float] = {}
        self._told_to_stop: set[str] = set()
        self._reasons_before: dict[str, str] = {}

    def observe(self, replica: ReplicaRecord, digest: str) -> ReplicaRecord:
        """Take note of what became of a replica and do its next step.

        Args:
            replica: as it was last time.
            digest: of the version that it serves.
        """
        if replica.status is ReplicaStatus.ENDED:
            return replica
        state = self._processes.state(replica)
        if state is not None and state.end is not None:
            return self._take_end(replica, state.end)
        if replica.status is ReplicaStatus.STARTING:
            return self._start(replica, state, digest)
        if state is None:
            return self._fail(replica, "its process is gone without a trace")
        if replica.status is ReplicaStatus.READY:
            return self._look_at(replica)
        return self._prove(replica, digest) if replica.status is ReplicaStatus.PROVING else replica

    def fill(self, record: EndpointRecord, slot: Slot, last: ReplicaRecord | None) -> ReplicaRecord | None:
        """Make an attempt at a slot, unless it has to wait after the last one failed."""
        now = self._clock.now()
        if last is not None and last.retry_at is not None and now < last.retry_at:
            return None
        replica = ReplicaRecord(
            id=new_id("replica"),
            project=record.project,
            endpoint=record.name,
            slot=slot,
            status=ReplicaStatus.STARTING,
            reason="" if last is None or not last.failures else f"tried again after this: {last.reason}",
            failures=0 if last is None else last.failures,
            host_faults=0 if last is None else last.host_faults,
            pid=None,
            sandbox=None,
            created_at=now,
            started_at=None,
            ready_at=None,
            retry_at=None,
        )
        with self._database.transaction() as connection:
            self._repository.insert(connection, replica)
        return replica

    def retire(self, replica: ReplicaRecord) -> ReplicaRecord:
        """It is not wanted any more: a ready one drains, another one just ends."""
        if replica.status in (ReplicaStatus.STARTING, ReplicaStatus.PROVING):
            return self._change(replica, status=ReplicaStatus.ENDED, reason="it is not wanted any more", failures=0)
        if replica.status is ReplicaStatus.READY:
            return self._change(replica, status=ReplicaStatus.DRAINING, reason="it finishes its requests")
        return replica

    def drain(self, replica: ReplicaRecord) -> None:
        """End a draining replica once it has been out of the routing table, as this process wrote it, long enough."""
        since = self._out_of_table_since.setdefault(replica.id, self._clock.monotonic())
        if self._clock.monotonic() - since >= self._timing.drain_seconds:
            self._stop(replica)

    def clear(self, replica: ReplicaRecord, *, is_forgotten: bool) -> bool:
        """Remove what an ended replica left: its process, its folder, then its row if `is_forgotten`.

        Returns:
            True once nothing is left but perhaps the row.
        """
        if not all(self._tasks.drop((step, replica.id)) for step in ("submit", "prove", "unload")):
            return False  # it may be about to make a process: the row stays until that can be seen
        state = self._processes.state(replica)
        if state is not None and state.is_alive:
            self._stop(replica)
            return False
        self._launcher.discard(replica)
        self._out_of_table_since.pop(replica.id, None)
        self._told_to_stop.discard(replica.id)
        self._reasons_before.pop(replica.id, None)
        self._watch.forget(replica.id)
        if is_forgotten:
            with self._database.transaction() as connection:
                self._repository.delete(connection, replica.id)
        return True

    def end_strays(self) -> None:
        """End processes of replicas that have no row."""
        processes = [state for state in self._engine.list() if "replica" in state.labels]
        with self._database.read() as connection:  # after the list: a row is there before its process
            known = {replica.id for replica in self._repository.all(connection)}
        for state in processes:
            if state.id not in known:
                _log.warning("stray_replica_ended", replica=state.id)
                if state.is_alive:
                    self._stop_worker(state.id)
                else:
                    self._launcher.discard_worker(state.id)

    def end_all(self) -> None:
        """End every process of a replica or a host here, whatever its row says."""
        for state in self._engine.list():
            if "replica" in state.labels or HOST_LABELS.items() <= state.labels.items():
                _log.warning("left_over_ended", process=state.id)
                self._engine.remove(state.id)

    def _take_end(self, replica: ReplicaRecord, end: ProcessEnd) -> ReplicaRecord:
        if replica.status is ReplicaStatus.DRAINING:
            return self._change(replica, status=ReplicaStatus.ENDED, reason="it was drained")
        verdict = self._processes.verdict(replica)
        return self._fail(replica, verdict.words + account(end), verdict)

    def _start(self, replica: ReplicaRecord, state: ProcessState | None, digest: str) -> ReplicaRecord:
        key = ("submit", replica.id)
        submitted = self._tasks.take(key)
        error = None if submitted is None else submitted.exception()
        if error is not None:
            return self._take_start_error(replica, error, key)
        if state is None:
            self._tasks.start(key, lambda: self._launcher.submit(replica, digest))
            return self._tell_preparation(replica)
        replica = self._change(replica, reason=self._reasons_before.pop(replica.id, replica.reason))
        if state.pid is not None and replica.pid != state.pid:
            replica = self._change(replica, pid=state.pid, sandbox=state.sandbox, started_at=state.started_at)
        if self._launcher.is_listening(replica):
            return self._prove(self._change(replica, status=ReplicaStatus.PROVING), digest)
        if self._is_overdue(replica):
            return self._fail(replica, f"its worker did not listen after {self._timing.start_seconds:.0f} s")
        return replica

    def _tell_preparation(self, replica: ReplicaRecord) -> ReplicaRecord:
        """Say what its start is busy with, such as a pull, until it has a process."""
        words = self._engine.preparing(replica.id)
        if not words:
            return replica
        self._reasons_before.setdefault(replica.id, replica.reason)
        return self._change(replica, reason=words)

    def _take_start_error(self, replica: ReplicaRecord, error: BaseException, key: tuple[str, str]) -> ReplicaRecord:
        """It was not submitted, or not loaded; what passes is tried again and counts nothing."""
        if not isinstance(error, TemporaryError):
            return self._fail(replica, _words(error))
        if replica.host is not None and self._is_overdue(replica):
            return self._fail(replica, f"its host did not load it: {error.message}", Verdict(is_fault=True))
        self._tasks.pause(key, self._timing.pause_seconds)
        return self._change(replica, reason=f"it waits: {error.message}")

    def _is_overdue(self, replica: ReplicaRecord) -> bool:
        limit = timedelta(seconds=self._timing.start_seconds)
        return self._clock.now() - (replica.started_at or replica.created_at) > limit

    def _prove(self, replica: ReplicaRecord, digest: str) -> ReplicaRecord:
        key = ("prove", replica.id)
        proof = self._tasks.take(key)
        if proof is None:
            self._tasks.start(key, lambda: self._ask_golden(replica, digest))
            return replica
        error = proof.exception()
        if error is not None:
            return self._fail(replica, f"its golden requests could not be sent: {_words(error)}")
        if proof.result() is None:
            return replica  # the process has ended: the next look says why
        if proof.result():
            return self._fail(replica, "; ".join(proof.result()))
        ready = self._change(replica, status=ReplicaStatus.READY, reason="", ready_at=self._clock.now())
        message = f"Replica {replica.slot.ordinal} of variant '{replica.slot.variant}' answered its golden requests"
        self._announce(ready, "replica_ready", message)
        return ready

    def _look_at(self, replica: ReplicaRecord) -> ReplicaRecord:
        """A ready replica: end it if it hangs, say so if it answers what it should not."""
        vitals = self._processes.vitals(replica)
        fault = self._watch.fault(replica.id, vitals)
        if fault:
            verdict = self._processes.verdict(replica)
            self._processes.kill(replica)
            return self._fail(replica, verdict.words + fault, verdict)
        remark = self._watch.remark(vitals)
        if remark == replica.reason:
            return replica
        changed = self._change(replica, reason=remark)
        if vitals is None or not vitals.nan_output:
            return changed
        message = f"Replica {replica.slot.ordinal} of variant '{replica.slot.variant}': {remark}"
        self._announce(changed, "replica_answered_nan", message)
        return changed

    def _ask_golden(self, replica: ReplicaRecord, digest: str) -> list[str] | None:
        """Wrong answers; None if the process ended meanwhile, whose own account then says more than any error here."""
        try:
            found = self._launcher.prove(replica, digest, self._timing.prove_seconds)
        except ModelyardError:
            if not self._processes.wait(replica, self._timing.pause_seconds):
                return None
            raise
        return found if not found or self._processes.wait(replica, self._timing.pause_seconds) else None

    def _fail(self, replica: ReplicaRecord, reason: str, verdict: Verdict | None = None) -> ReplicaRecord:
        """Note an unwanted end; one that another model brought about counts nothing and waits for nothing."""
        verdict, now = verdict or Verdict(), self._clock.now()
        stable = timedelta(seconds=self._timing.stable_seconds)
        was_stable = replica.ready_at is not None and now - replica.ready_at >= stable
        failures = (0 if was_stable else replica.failures) + verdict.is_counted
        # The exponent is bounded because a float is not: 2.0**1024 overflows.
        pause = min(self._timing.longest_retry_seconds, self._timing.first_retry_seconds * 2 ** min(failures - 1, 30))
        failed = self._change(
            replica,
            status=ReplicaStatus.ENDED,
            reason=reason[:_MAXIMUM_REASON],
            failures=failures,
            host_faults=replica.host_faults + verdict.is_fault,
            retry_at=now + timedelta(seconds=pause if verdict.is_counted else 0),
        )
        message = f"Replica {replica.slot.ordinal} of variant '{replica.slot.variant}' failed: {failed.reason}"
        self._announce(failed, "replica_failed", message)
        return failed

    def _change(self, replica: ReplicaRecord, **values: Any) -> ReplicaRecord:
        changed = replace(replica, **values)
        if changed != replica:
            with self._database.transaction() as connection:
                self._repository.update(connection, replica.id, **values)
        return changed

    def _announce(self, replica: ReplicaRecord, kind: str, message: str) -> None:
        slot = replica.slot
        details = {"replica": replica.id, "variant": slot.variant, "model_version": f"{slot.model}:{slot.number}"}
        self._events.append(replica.project, f"endpoint/{replica.endpoint}", kind, message, details)

    def _stop(self, replica: ReplicaRecord) -> None:
        """Have it finish what it holds; a host is told in the background: it may be in the middle of a batch."""
        hosts = self._processes.hosts
        if replica.host is None or hosts is None:
            self._stop_worker(replica.id)
            return
        key = ("unload", replica.id)
        told = self._tasks.take(key)
        if told is not None:  # asked again all the same until it is seen to be gone: the host may have been another
            self._tasks.pause(key, self._timing.pause_seconds)
        self._tasks.start(key, lambda: hosts.unload(replica))

    def _stop_worker(self, process_id: str) -> None:
        """Ask for the end once: asking again would start the time to finish anew."""
        if process_id not in self._told_to_stop:
            self._told_to_stop.add(process_id)
            self._engine.stop(process_id, grace_seconds=self._timing.stop_seconds)


def _words(error: BaseException) -> str:
    if isinstance(error, ModelyardError):
        return f"{error.message}. {error.hint}".strip()
    return f"{type(error).__name__}: {error}"
