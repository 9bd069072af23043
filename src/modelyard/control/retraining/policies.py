"""Rules of retraining policies: what they are, and when one stops by itself."""

from dataclasses import replace
from typing import Any

from modelyard.control.endpoints.rollouts.plans import CAREFUL
from modelyard.control.events.service import EventService
from modelyard.control.feedback.service import EndpointReader
from modelyard.control.monitors.errors import MonitorNotFoundError
from modelyard.control.monitors.service import MonitorService
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.rest.preconditions import check_version
from modelyard.control.retraining.conditions.schedule import check_schedule
from modelyard.control.retraining.errors import DataWindowInvalidError, PolicyExistsError, PolicyNotFoundError
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.control.retraining.schemas import PolicyCreate, PolicyUpdate
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun, RetrainingStatus
from modelyard.types.retraining.rules import BudgetRules, DataWindow, GateRules, TriggerRules, WindowKind

_RULES: dict[str, type] = {
    "gate": GateRules,
    "triggers": TriggerRules,
    "budget": BudgetRules,
    "window": DataWindow,
}

MAXIMUM_FAILURES = 3
"""So many failed runs in a row switch a policy off."""


class PolicyService:
    """Creates, shows, changes and deletes policies. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        repository: RetrainingRepository,
        creations: Creations,
        endpoints: EndpointReader,
        monitors: MonitorService,
        events: EventService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._endpoints = endpoints
        self._monitors = monitors
        self._events = events
        self._clock = clock

    def list(self, project: str, page: PageQuery) -> Page[RetrainingPolicy]:
        """Policies by name."""
        with self._database.read() as connection:
            return page.page(self._repository.policies(connection, project, page), lambda item: (item.name,))

    def get(self, project: str, name: str) -> RetrainingPolicy:
        """A policy.

        Raises:
            PolicyNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return _found(self._repository.policy(connection, project, name), name)

    def runs(self, project: str, name: str, page: PageQuery) -> Page[RetrainingRun]:
        """The runs of a policy, the newest first.

        Raises:
            PolicyNotFoundError: there is none.
        """
        with self._database.read() as connection:
            _found(self._repository.policy(connection, project, name), name)
            runs = self._repository.runs(connection, project, name, page)
        return page.page(runs, lambda item: (item.started_at, item.id))

    def create(self, project: str, body: PolicyCreate, creation: Creation | None) -> RetrainingPolicy:
        """A new policy.

        Raises:
            NameInvalidError, ScheduleInvalidError, DataWindowInvalidError: the request is wrong.
            NotFoundError: no such endpoint or monitor, or the monitor watches another endpoint.
            PolicyExistsError: the name is taken.
        """
        check_name(body.name)
        self._endpoints.get(project, body.endpoint)
        if body.monitor is not None and self._monitors.get(project, body.monitor).endpoint != body.endpoint:
            raise MonitorNotFoundError(
                f"Monitor '{body.monitor}' does not watch endpoint '{body.endpoint}'",
                hint="Name a monitor of the same endpoint.",
                field="monitor",
            )
        now = self._clock.now()
        given = body.model_dump()
        rules: dict[str, Any] = {name: kind(**given[name]) for name, kind in _RULES.items()}
        rules["rollout"] = body.rollout.to_plan() if body.rollout else CAREFUL
        rules["tuning"] = body.tuning.rules()
        policy = _checked(RetrainingPolicy(**given | rules, project=project, created_at=now, updated_at=now, version=1))
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return _found(self._repository.policy(connection, project, made), made)
            if self._repository.policy(connection, project, policy.name) is not None:
                raise PolicyExistsError(
                    f"There is a retraining policy '{policy.name}' already", hint="Choose another name.", field="name"
                )
            self._repository.insert_policy(connection, policy)
            self._creations.record(connection, creation, policy.name)
        return policy

    def update(self, project: str, name: str, body: PolicyUpdate, expected_version: int | None) -> RetrainingPolicy:
        """Change what is given.

        Raises:
            PolicyNotFoundError: there is none.
            ScheduleInvalidError, DataWindowInvalidError: the change is wrong.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        given = body.model_dump(exclude_unset=True)
        changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        if body.rollout is not None:
            changes["rollout"] = body.rollout.to_plan()
        if body.tuning is not None:
            changes["tuning"] = body.tuning.rules()
        with self._database.transaction() as connection:
            policy = _found(self._repository.policy(connection, project, name), name)
            check_version(f"retraining policy '{name}'", policy.version, expected_version)
            changes |= {name: replace(getattr(policy, name), **changes[name]) for name in _RULES if name in changes}
            changed = _checked(replace(policy, **changes, updated_at=self._clock.now(), version=policy.version + 1))
            self._repository.update_policy(connection, changed)
        return changed

    def delete(self, project: str, name: str, expected_version: int | None) -> None:
        """Remove a policy. A run under way goes on to its end.

        Raises:
            PolicyNotFoundError: there is none.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        with self._database.transaction() as connection:
            policy = _found(self._repository.policy(connection, project, name), name)
            check_version(f"retraining policy '{name}'", policy.version, expected_version)
            self._repository.delete_policy(connection, project, name)

    def break_circuit(self, project: str, name: str) -> None:
        """Switch a policy off if its newest runs all failed, and say so. Runs before its last change do not count."""
        with self._database.transaction() as connection:
            policy = self._repository.policy(connection, project, name)
            newest = self._repository.runs(connection, project, name, PageQuery(limit=MAXIMUM_FAILURES))
            failed = [run for run in newest[:MAXIMUM_FAILURES] if run.status is RetrainingStatus.FAILED]
            if policy is None or not policy.is_enabled or len(failed) < MAXIMUM_FAILURES:
                return
            if any(run.started_at < policy.updated_at for run in failed):
                return
            now = self._clock.now()
            off = replace(policy, is_enabled=False, updated_at=now, version=policy.version + 1)
            self._repository.update_policy(connection, off)
            message = f"Policy '{name}' is switched off: {MAXIMUM_FAILURES} runs in a row failed. {failed[0].reason}"
            details = {"policy": name, "run": failed[0].id}
            subject = f"endpoint/{policy.endpoint}"
            self._events.append(project, subject, "retraining_paused", message, details, connection=connection)


def _checked(policy: RetrainingPolicy) -> RetrainingPolicy:
    if policy.triggers.schedule is not None:
        check_schedule(policy.triggers.schedule)
    needed = {WindowKind.NEWEST: "rows", WindowKind.SINCE: "since"}.get(policy.window.kind)
    if needed is not None and getattr(policy.window, needed) is None:
        raise DataWindowInvalidError(
            f"A data window of the kind {policy.window.kind} needs `{needed}`",
            hint=f"Give `window.{needed}`, or take the kind ALL.",
            field=f"window.{needed}",
        )
    return policy


def _found(policy: RetrainingPolicy | None, name: str) -> RetrainingPolicy:
    if policy is None:
        raise PolicyNotFoundError(
            f"There is no retraining policy '{name}'",
            hint="GET /operations/v1/projects/<project>/retraining-policies lists them.",
        )
    return policy
