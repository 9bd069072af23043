"""The life of a rollout: begun by a change of variants, completed or rolled back by what its replicas do."""

from dataclasses import replace
from datetime import timedelta

from modelyard.control.endpoints.errors import NothingToApproveError, NothingToRollBackError
from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord
from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.endpoints.rollouts.stages import StageInspector
from modelyard.control.endpoints.rollouts.traffic import newcomers
from modelyard.control.endpoints.status import failed_for_good, is_running, ready_in, slots_of, stage_words, trouble_of
from modelyard.control.events.service import EventService
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.database import Connection, Database
from modelyard.types.endpoints import Rollout, RolloutPlan, RolloutStatus, Variant


class Rollouts:
    """Changes of variants.

    The traffic moves for good in one transaction, which replaces the endpoint's variants and completes the rollout: a
    process that is killed before it leaves the old variants in charge, one killed after it the new ones. Until then a
    stage is nothing but a row that says which share of the requests the new ones get: taking it away is going back.
    """

    def __init__(
        self,
        database: Database,
        repository: EndpointRepository,
        events: EventService,
        clock: Clock,
        inspector: StageInspector,
    ) -> None:
        self._database = database
        self._repository = repository
        self._events = events
        self._clock = clock
        self._inspector = inspector

    def begin(
        self,
        connection: Connection,
        record: EndpointRecord,
        to_variants: tuple[Variant, ...],
        plan: RolloutPlan,
    ) -> Rollout:
        """Start to replace the endpoint's variants; one that is under way gives way to this one."""
        self.interrupt(connection, record, "another change came before it was through")
        is_new = bool(newcomers(record.variants, to_variants))
        rollout = Rollout(
            id=new_id("rollout"),
            endpoint=record.name,
            status=RolloutStatus.RUNNING,
            reason="",
            from_variants=record.variants,
            to_variants=to_variants,
            plan=plan if is_new else RolloutPlan(),  # nothing is on trial when only weights or replicas change
            started_at=self._clock.now(),
        )
        self._repository.insert_rollout(connection, record.project, rollout)
        message = f"Rollout to {_words(to_variants)} began"
        self._announce(connection, record, rollout, "rollout_started", message)
        return rollout

    def approve(self, connection: Connection, record: EndpointRecord) -> None:
        """A person agrees that the new version takes over once its stages are through.

        Raises:
            NothingToApproveError: no rollout is under way that asks for it.
        """
        rollout = self._repository.last_rollout(connection, record.project, record.name)
        if rollout is None or not is_running(rollout) or not rollout.plan.needs_approval:
            raise NothingToApproveError(
                f"No rollout of endpoint '{record.name}' waits for approval",
                hint="`modelyard endpoints show` says what is under way.",
            )
        if not rollout.is_approved:
            self._repository.update_rollout(connection, replace(rollout, is_approved=True))
            message = f"The rollout to {_words(rollout.to_variants)} was approved"
            self._announce(connection, record, rollout, "rollout_approved", message)

    def previous(self, connection: Connection, record: EndpointRecord) -> tuple[Variant, ...]:
        """The variants that the endpoint served before the last change that was completed.

        Raises:
            NothingToRollBackError: it has always served the present ones.
        """
        serving = _versions(record.variants)
        for rollout in self._repository.completed_rollouts(connection, record.project, record.name):
            if _versions(rollout.to_variants) == serving != _versions(rollout.from_variants):
                return rollout.from_variants
        raise NothingToRollBackError(
            f"Endpoint '{record.name}' has no earlier variants to go back to",
            hint="Deploy the version that it shall serve.",
        )

    def interrupt(self, connection: Connection, record: EndpointRecord, reason: str) -> bool:
        """Roll back the rollout that is under way; False if there is none."""
        rollout = self._repository.last_rollout(connection, record.project, record.name)
        if rollout is None or not is_running(rollout):
            return False
        self._end(connection, record, rollout, RolloutStatus.ROLLED_BACK, reason)
        return True

    def advance(
        self, record: EndpointRecord, rollout: Rollout, replicas: list[ReplicaRecord], deadline: timedelta
    ) -> bool:
        """Go on to the next stage, complete or roll back, if it is time; True if something was changed."""
        new_slots = slots_of(rollout.to_variants)
        changed = [slot for slot in new_slots if slot not in slots_of(record.variants)]
        failed = failed_for_good(replicas, changed)
        trouble = trouble_of(replicas if failed is None else [failed], changed)
        if failed is not None:
            return self._finish(record, rollout, RolloutStatus.ROLLED_BACK, trouble)
        if rollout.current_stage is not None:
            standing = self._inspector.look(record, rollout)
            if standing.objection:
                return self._finish(record, rollout, RolloutStatus.ROLLED_BACK, standing.objection)
            return not standing.missing and self._next(record, rollout)
        if len(ready_in(replicas, new_slots)) == len(set(new_slots)):
            return self._next(record, rollout)
        if self._clock.now() - rollout.started_at > deadline:
            seconds = f"{deadline.total_seconds():.0f} s"
            reason = f"the new replicas were not ready within {seconds}" + (f"; {trouble}" if trouble else "")
            return self._finish(record, rollout, RolloutStatus.ROLLED_BACK, reason)
        return False

    def _next(self, record: EndpointRecord, rollout: Rollout) -> bool:
        """Begin the next stage, or complete after the last."""
        index = 0 if rollout.stage is None else rollout.stage + 1
        if index >= len(rollout.plan.stages):
            return self._finish(record, rollout, RolloutStatus.COMPLETED, "")
        with self._database.transaction() as connection:
            present = self._running(connection, record, rollout)
            if present is not None:
                moved = replace(present, stage=index, stage_since=self._clock.now())
                self._repository.update_rollout(connection, moved)
                self._inspector.begin(record, moved)
                message = f"Rollout to {_words(moved.to_variants)}: {stage_words(moved)}"
                self._announce(connection, record, moved, "rollout_stage", message)
        return True

    def _running(self, connection: Connection, record: EndpointRecord, rollout: Rollout) -> Rollout | None:
        """The rollout as it is now, unless somebody ended or moved it since it was read."""
        last = self._repository.last_rollout(connection, record.project, record.name)
        is_same = last is not None and last.id == rollout.id and last.stage == rollout.stage
        return last if is_same and is_running(last) else None

    def _finish(self, record: EndpointRecord, rollout: Rollout, status: RolloutStatus, reason: str) -> bool:
        """End the rollout, unless somebody ended it since it was read."""
        with self._database.transaction() as connection:
            present = self._repository.get(connection, record.project, record.name)
            last = self._running(connection, record, rollout)
            if present is not None and last is not None:
                self._end(connection, present, last, status, reason)
        return True

    def _end(
        self, connection: Connection, record: EndpointRecord, rollout: Rollout, status: RolloutStatus, reason: str
    ) -> None:
        now = self._clock.now()
        self._inspector.forget(rollout)
        self._repository.update_rollout(connection, replace(rollout, status=status, reason=reason, ended_at=now))
        if status is RolloutStatus.COMPLETED:
            changes = {"variants": rollout.to_variants, "updated_at": now}
            message = f"{_words(rollout.to_variants)} took over the traffic"
        else:  # what the user wished for is not what is: whoever read the wish must read again
            changes = {"version": record.version + 1, "updated_at": now}
            message = f"{_words(rollout.from_variants)} keeps the traffic: {reason}"
        self._repository.update(connection, record.project, record.name, **changes)
        kind = "rollout_completed" if status is RolloutStatus.COMPLETED else "rollout_rolled_back"
        self._announce(connection, record, rollout, kind, message)

    def _announce(
        self, connection: Connection, record: EndpointRecord, rollout: Rollout, kind: str, message: str
    ) -> None:
        details = {"rollout": rollout.id}
        self._events.append(record.project, record.subject, kind, message, details, connection=connection)


def _versions(variants: tuple[Variant, ...]) -> set[tuple[str, str, int]]:
    """What is served, however many replicas it has and whatever share of the traffic."""
    return {(variant.name, variant.model, variant.number) for variant in variants}


def _words(variants: tuple[Variant, ...]) -> str:
    return ", ".join(f"{variant.model}:{variant.number}" for variant in variants)
