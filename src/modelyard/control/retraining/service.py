"""Starts runs: by hand, or by itself when a policy's conditions hold."""

from collections.abc import Sequence
from datetime import timedelta

from modelyard.control.events.service import EventService
from modelyard.control.feedback.service import EndpointReader, FeedbackService
from modelyard.control.monitors.checking.windows import serving_version
from modelyard.control.monitors.service import MonitorService
from modelyard.control.retraining.collecting import Collector
from modelyard.control.retraining.errors import RetrainingActiveError
from modelyard.control.retraining.policies import PolicyService
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.errors import ModelyardError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun, RetrainingStatus, Verdict


class RetrainingService:
    """Decides when runs start; `execution` carries them. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        repository: RetrainingRepository,
        creations: Creations,
        policies: PolicyService,
        monitors: MonitorService,
        endpoints: EndpointReader,
        feedback: FeedbackService,
        collector: Collector,
        events: EventService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._policies = policies
        self._monitors = monitors
        self._endpoints = endpoints
        self._feedback = feedback
        self._collector = collector
        self._events = events
        self._clock = clock

    def start(self, project: str, name: str, cause: str, creation: Creation | None = None) -> RetrainingRun:
        """A new run of a policy, whatever its conditions say. `execution` must be started for it.

        Raises:
            PolicyNotFoundError: no such policy.
            NothingServedError: the endpoint serves no version.
            RetrainingActiveError: a run is under way at the endpoint.
        """
        policy = self._policies.get(project, name)
        serving = serving_version(self._endpoints.get(project, policy.endpoint))
        run = RetrainingRun(
            id=new_id("run"),
            project=project,
            policy=name,
            endpoint=policy.endpoint,
            status=RetrainingStatus.COLLECTING,
            cause=cause,
            reason="",
            old_version=serving,
            started_at=self._clock.now(),
        )
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                state = self._repository.run(connection, made)
                if state is not None:
                    return state.run
            if not self._repository.insert_run(connection, run):
                raise RetrainingActiveError(
                    f"A retraining run is under way at endpoint '{policy.endpoint}'",
                    hint="Wait for its end; one run at a time.",
                )
            self._creations.record(connection, creation, run.id)
            details = {"run": run.id, "policy": name, "old_version": serving}
            subject = f"endpoint/{policy.endpoint}"
            self._events.append(project, subject, "retraining_started", cause, details, connection=connection)
        return run

    def start_due(self) -> Sequence[RetrainingRun]:
        """Start a run for each enabled policy whose conditions hold now; returns them."""
        with self._database.read() as connection:
            enabled = self._repository.enabled(connection)
        started = []
        for policy in enabled:
            try:
                cause = self._cause(policy)
                if cause is not None:
                    started.append(self.start(policy.project, policy.name, cause))
            except ModelyardError:
                continue  # nothing is served, a run began a moment ago, or something is down: the next sweep asks again
        return started

    def active(self) -> Sequence[RetrainingRun]:
        """All runs that have not ended: `execution` must be under way for each."""
        with self._database.read() as connection:
            return self._repository.active(connection)

    def _cause(self, policy: RetrainingPolicy) -> str | None:
        """Why a run should start now, or None."""
        with self._database.read() as connection:
            newest = self._repository.newest_of_endpoint(connection, policy.project, policy.endpoint, 1)
        last = newest[0].run if newest else None
        if last is not None and not self._is_rested(policy, last):
            return None
        drift = self._drift(policy)
        if drift is None:
            return None
        since = last.started_at if last is not None and last.status is not RetrainingStatus.FAILED else None
        # Cheap upper bound first: counting the captured ones reads them.
        if self._feedback.count_new(policy.project, policy.endpoint, since) < policy.minimum_new_labels:
            return None
        labels = self._collector.count(policy.project, policy.endpoint)
        if labels < policy.minimum_new_labels:
            return None
        return f"{drift}{labels} new labelled rows have come (needed: {policy.minimum_new_labels})."

    def _is_rested(self, policy: RetrainingPolicy, last: RetrainingRun) -> bool:
        cooldown = timedelta(seconds=policy.cooldown_seconds)
        return last.ended_at is not None and self._clock.now() >= last.ended_at + cooldown

    def _drift(self, policy: RetrainingPolicy) -> str | None:
        """The drift sentence if the policy's monitor sees drift at the version that serves; "" without a monitor."""
        if policy.monitor is None:
            return ""
        report = self._monitors.get(policy.project, policy.monitor).last_report
        if report is None or report.verdict is not Verdict.DRIFT:
            return None
        serving = serving_version(self._endpoints.get(policy.project, policy.endpoint))
        return f"{report.sentence} " if report.model_version == serving else None
