"""What the workflow of a run does: look at every step, begin those whose turn it is, until all have ended."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from modelyard.control.clients.contracts import OperationsClient
from modelyard.control.pipelines.definition.turns import is_due, reason_to_skip
from modelyard.control.pipelines.repository import PipelineRepository, RunRecord
from modelyard.control.pipelines.stepping import Stepping
from modelyard.errors import ModelyardError
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.pipelines.runs import PipelineRun, RunStatus, StepState, StepStatus

_log = structlog.get_logger(__name__)
POLL_SECONDS = 0.5

MOST_CARRIED = 40
"""Runs that are carried at the same time, the oldest first: each has a thread while it does not wait for a person."""

_EVENTS = {
    RunStatus.COMPLETED: "pipeline_completed",
    RunStatus.FAILED: "pipeline_failed",
    RunStatus.STOPPED: "pipeline_stopped",
}
_TOLD = (
    (StepStatus.COMPLETED, "completed"),
    (StepStatus.CACHED, "taken from earlier runs"),
    (StepStatus.SKIPPED, "skipped"),
    (StepStatus.FAILED, "failed"),
    (StepStatus.STOPPED, "stopped"),
)


class SupersededError(Exception):
    """The run was woken since: another workflow carries it."""


class PipelineExecution:
    """Carries runs. Holds no state but the database; every method may be repeated at any time.

    A step is written down before its work begins, and the work is begun under a key of its own: after a kill in between
    it is found again instead of begun twice. What has ended is never looked at again.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: PipelineRepository,
        stepping: Stepping,
        operations: Callable[[], OperationsClient],
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._stepping = stepping
        self._operations = operations
        self._clock = clock

    def tickets(self) -> list[str]:
        """One for each run that a workflow must carry now, and another one after each waking."""
        with self._database.read() as connection:
            return [f"{run_id}/{wakings}" for run_id, wakings in self._repository.to_carry(connection, MOST_CARRIED)]

    def carry(self, ticket: str) -> None:
        """Until the run has ended, waits for people alone, or was woken for another workflow."""
        run_id, _, wakings = ticket.partition("/")
        while self.round(run_id, int(wakings)):
            time.sleep(POLL_SECONDS)

    def round(self, run_id: str, wakings: int) -> bool:
        """Look at every step once; True if there is more to do."""
        record, states = self._load(run_id)
        if record.run.status.is_final or record.wakings != wakings:
            return False
        try:
            for name in states:
                self._go_on(record, name, states)
        except SupersededError:
            return False
        if all(state.status.is_final for state in states.values()):
            self._end(record, states)
            return False
        if any(state.status is StepStatus.RUNNING for state in states.values()) or _is_ready(record.run, states):
            return True
        with self._database.transaction() as connection:
            self._repository.park(connection, run_id, wakings)
        return False

    def _go_on(self, record: RunRecord, name: str, states: dict[str, StepState]) -> None:
        """Bring a step as far as it can be now; what is written down as begun is begun at once."""
        while True:
            after = self._next(record, states[name], states)
            if after == states[name]:
                return
            self._save(record.run.id, record.wakings, after)
            states[name] = after
            if after.status is not StepStatus.RUNNING or after.handle or after.next_try_at is not None:
                return

    def _next(self, record: RunRecord, state: StepState, states: Mapping[str, StepState]) -> StepState:
        if state.status.is_final:
            return state
        if record.is_stop_requested:
            return self._stepping.stopped(record.run, state)
        if state.status is not StepStatus.PENDING:
            return self._stepping.advanced(record.run, state)
        step = record.run.definition.steps[state.name]
        if not is_due(state.name, step, states):
            return state
        reason = reason_to_skip(state.name, step, states)
        if reason:
            message = f"It did not run: {reason}."
            return replace(state, status=StepStatus.SKIPPED, message=message, ended_at=self._clock.now())
        return self._stepping.prepared(record.run, state, states)

    def _save(self, run_id: str, wakings: int, state: StepState) -> None:
        with self._database.transaction() as connection:
            if not self._repository.is_carried_by(connection, run_id, wakings):
                raise SupersededError(run_id)
            self._repository.save_step(connection, run_id, state)

    def _load(self, run_id: str) -> tuple[RunRecord, dict[str, StepState]]:
        with self._database.read() as connection:
            record = self._repository.run(connection, run_id)
            states = {state.name: state for state in self._repository.steps(connection, run_id)}
        if record is None:
            raise LookupError(run_id)  # a workflow without its record: the database was put back by hand
        return record, states

    def _end(self, record: RunRecord, states: Mapping[str, StepState]) -> None:
        failed = next((state for state in states.values() if state.status is StepStatus.FAILED), None)
        status = RunStatus.FAILED if failed else RunStatus.COMPLETED
        if record.is_stop_requested:
            status = RunStatus.STOPPED
        message = _account(states)
        if failed is not None:
            message = f"Step '{failed.name}' failed: {failed.message} {message}"
        run = replace(record.run, status=status, message=message, ended_at=self._clock.now())
        self._tell(run)
        with self._database.transaction() as connection:
            self._repository.save_run(connection, run)

    def _tell(self, run: PipelineRun) -> None:
        """An event; a run ends also when nobody can be told."""
        try:
            self._operations().announce(
                run.project,
                f"pipeline/{run.pipeline}",
                _EVENTS[run.status],
                run.message,
                {"run": run.id},
                idempotency_key=f"{run.id}/end",
            )
        except ModelyardError as error:
            _log.info("nobody was told of the end of a run", run=run.id, reason=error.message)


def _is_ready(run: PipelineRun, states: Mapping[str, StepState]) -> bool:
    """Whether a step only waits for something that does not answer now."""
    return any(
        state.status is StepStatus.PENDING and is_due(state.name, run.definition.steps[state.name], states)
        for state in states.values()
    )


def _account(states: Mapping[str, StepState]) -> str:
    """What became of the steps."""
    statuses = [state.status for state in states.values()]
    parts = [f"{statuses.count(status)} {word}" for status, word in _TOLD if status in statuses]
    return f"{len(statuses)} {'step' if len(statuses) == 1 else 'steps'}: {', '.join(parts)}."
