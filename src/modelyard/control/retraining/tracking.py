"""The record of a run: what its steps have done, and its one end."""

from collections.abc import Mapping
from dataclasses import replace

from modelyard.control.events.service import EventService
from modelyard.control.retraining.errors import RetrainingImpossibleError
from modelyard.control.retraining.repository import RetrainingRepository, RunState
from modelyard.kit.clock import Clock
from modelyard.storage.database import Connection, Database
from modelyard.types.monitoring import RetrainingRun, RetrainingStatus

_EVENTS = {
    RetrainingStatus.PROMOTED: "retraining_promoted",
    RetrainingStatus.REJECTED: "retraining_rejected",
    RetrainingStatus.FAILED: "retraining_failed",
}


class RunTracking:
    """Writes the progress of runs. A run that has ended stays as it is."""

    def __init__(
        self, database: Database, repository: RetrainingRepository, events: EventService, clock: Clock
    ) -> None:
        self._database = database
        self._repository = repository
        self._events = events
        self._clock = clock

    def state(self, run_id: str) -> RunState:
        """The run as it is now."""
        with self._database.read() as connection:
            state = self._repository.run(connection, run_id)
        if state is None:
            raise RetrainingImpossibleError(f"There is no retraining run '{run_id}'", hint="Start a new one.")
        return state

    def advance(
        self,
        run_id: str,
        status: RetrainingStatus,
        *,
        reason: str = "",
        progress: Mapping[str, str] | None = None,
        figures: Mapping[str, float] | None = None,
        job: str | None = None,
        new_version: str | None = None,
    ) -> None:
        """Set the status, and add what is given; no effect on a run that has ended. The end makes an event."""
        with self._database.transaction() as connection:
            state = self._repository.run(connection, run_id)
            if state is None or state.run.status.is_final:
                return
            run = replace(
                state.run,
                status=status,
                reason=reason or state.run.reason,
                figures={**state.run.figures, **(figures or {})},
                job=job or state.run.job,
                new_version=new_version or state.run.new_version,
                ended_at=self._clock.now() if status.is_final else None,
            )
            self._repository.update_run(connection, RunState(run=run, progress={**state.progress, **(progress or {})}))
            if status.is_final:
                self._announce(connection, run)

    def _announce(self, connection: Connection, run: RetrainingRun) -> None:
        details = {"run": run.id, "policy": run.policy, "old_version": run.old_version}
        if run.new_version:
            details["new_version"] = run.new_version
        kind, subject = _EVENTS[run.status], f"endpoint/{run.endpoint}"
        self._events.append(run.project, subject, kind, run.reason, details, connection=connection)
