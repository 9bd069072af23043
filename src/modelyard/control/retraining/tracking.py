"""The record of a run: what its steps have done, and its one end."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from modelyard.control.monitors.service import EventSink
from modelyard.control.retraining.errors import RetrainingImpossibleError
from modelyard.control.retraining.repository import RetrainingRepository, RunState
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.monitoring import RetrainingRun, RetrainingStatus

_EVENTS = {
    RetrainingStatus.PROMOTED: "retraining.promoted",
    RetrainingStatus.REJECTED: "retraining.rejected",
    RetrainingStatus.FAILED: "retraining.failed",
}


class RunTracking:
    """Writes the progress of runs. A run that has ended stays as it is."""

    def __init__(
        self, database: Database, repository: RetrainingRepository, events: EventSink, clock: Clock
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

    def promoted_until(self, project: str, endpoint: str) -> datetime | None:
        """Captures up to this time are in the training data of the version that serves (None: none are)."""
        with self._database.read() as connection:
            promoted = self._repository.newest_promoted(connection, project, endpoint)
        return None if promoted is None else promoted.collected_until

    def advance(
        self,
        run_id: str,
        status: RetrainingStatus,
        *,
        reason: str = "",
        progress: Mapping[str, str] | None = None,
        figures: Mapping[str, float] | None = None,
        collected_until: datetime | None = None,
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
            changed = RunState(
                run=run,
                collected_until=collected_until or state.collected_until,
                progress={**state.progress, **(progress or {})},
            )
            self._repository.update_run(connection, changed)
        if status.is_final:
            self._announce(run)

    def _announce(self, run: RetrainingRun) -> None:
        details = {"run": run.id, "policy": run.policy, "old_version": run.old_version}
        if run.new_version:
            details["new_version"] = run.new_version
        self._events.record(run.project, f"endpoint/{run.endpoint}", _EVENTS[run.status], run.reason, details)
