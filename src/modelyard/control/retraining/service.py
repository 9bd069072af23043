"""Starts runs: by hand, or by itself when a policy's conditions hold."""

from collections.abc import Sequence

from modelyard.control.events.service import EventService
from modelyard.control.feedback.service import EndpointReader
from modelyard.control.monitors.checking.windows import serving_version
from modelyard.control.retraining.collecting import Collector
from modelyard.control.retraining.conditions.conditions import Conditions
from modelyard.control.retraining.errors import RetrainingActiveError, RetrainingImpossibleError
from modelyard.control.retraining.policies import PolicyService
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.errors import ModelyardError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.types.monitoring import RetrainingRun, RetrainingStatus
from modelyard.types.retraining.rules import PolicyStatus


class RetrainingService:
    """Decides when runs start; `execution` carries them. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        repository: RetrainingRepository,
        creations: Creations,
        policies: PolicyService,
        conditions: Conditions,
        endpoints: EndpointReader,
        collector: Collector,
        events: EventService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._policies = policies
        self._conditions = conditions
        self._endpoints = endpoints
        self._collector = collector
        self._events = events
        self._clock = clock

    def start(
        self, project: str, name: str, cause: str, creation: Creation | None = None, *, version: str | None = None
    ) -> RetrainingRun:
        """A new run of a policy, whatever its conditions say. `execution` must be started for it.

        Args:
            project: of the policy.
            name: of the policy.
            cause: why it starts, a sentence.
            creation: for repeated requests.
            version: a version that is there already, to be proven instead of a new one.

        Raises:
            PolicyNotFoundError: no such policy.
            NotFoundError: no such version.
            RetrainingImpossibleError: the version serves already.
            NothingServedError: the endpoint serves no version.
            RetrainingActiveError: a run is under way at the endpoint.
        """
        policy = self._policies.get(project, name)
        serving = serving_version(self._endpoints.get(project, policy.endpoint))
        candidate = self._collector.version(project, version) if version else None
        if candidate == serving:
            raise RetrainingImpossibleError(
                f"{serving} serves endpoint '{policy.endpoint}' already", hint="Name another version, or none."
            )
        run = RetrainingRun(
            id=new_id("run"),
            project=project,
            policy=name,
            endpoint=policy.endpoint,
            status=RetrainingStatus.COLLECTING,
            cause=cause,
            reason="",
            old_version=serving,
            new_version=candidate,
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
                answer = self._conditions.check(policy)
                if answer.holds:
                    started.append(self.start(policy.project, policy.name, answer.sentence))
            except ModelyardError:
                continue  # nothing is served, a run began a moment ago, or something is down: the next sweep asks again
        return started

    def status(self, project: str, name: str) -> PolicyStatus:
        """Whether a policy starts now, and why or why not.

        Raises:
            PolicyNotFoundError: no such policy.
        """
        policy = self._policies.get(project, name)
        try:
            answer = self._conditions.check(policy)
        except ModelyardError as error:
            sentence = f"cannot start: {error.message}. {error.hint}".strip()
            return PolicyStatus(policy=name, is_due=False, sentence=sentence)
        sentence = f"starts: {answer.sentence}" if answer.holds else answer.sentence
        return PolicyStatus(policy=name, is_due=answer.holds, sentence=sentence)

    def active(self) -> Sequence[RetrainingRun]:
        """All runs that have not ended: `execution` must be under way for each."""
        with self._database.read() as connection:
            return self._repository.active(connection)
