"""The life of a rollout: begun by a change of variants, completed or rolled back by what its replicas do."""

from dataclasses import replace
from datetime import timedelta

from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord
from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.endpoints.status import failed_for_good, is_running, ready_in, slots_of, trouble_of
from modelyard.control.events.service import EventService
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.database import Connection, Database
from modelyard.types.endpoints import Rollout, RolloutStatus, Variant


class Rollouts:
    """Changes of variants.

    The traffic moves in one transaction, which replaces the endpoint's variants and completes the rollout: a process
    that is killed before it leaves the old variants in charge, one killed after it the new ones.
    """

    def __init__(self, database: Database, repository: EndpointRepository, events: EventService, clock: Clock) -> None:
        self._database = database
        self._repository = repository
        self._events = events
        self._clock = clock

    def begin(self, connection: Connection, record: EndpointRecord, to_variants: tuple[Variant, ...]) -> Rollout:
        """Start to replace the endpoint's variants; one that is under way gives way to this one."""
        self.interrupt(connection, record, "another change came before it was through")
        rollout = Rollout(
            id=new_id("rollout"),
            endpoint=record.name,
            status=RolloutStatus.RUNNING,
            reason="",
            from_variants=record.variants,
            to_variants=to_variants,
            started_at=self._clock.now(),
        )
        self._repository.insert_rollout(connection, record.project, rollout)
        message = f"Rollout to {_words(to_variants)} began"
        self._announce(connection, record, rollout, "rollout_started", message)
        return rollout

    def interrupt(self, connection: Connection, record: EndpointRecord, reason: str) -> None:
        """Roll back the rollout that is under way, if there is one."""
        rollout = self._repository.last_rollout(connection, record.project, record.name)
        if rollout is not None and is_running(rollout):
            self._end(connection, record, rollout, RolloutStatus.ROLLED_BACK, reason)

    def advance(
        self, record: EndpointRecord, rollout: Rollout, replicas: list[ReplicaRecord], deadline: timedelta
    ) -> bool:
        """Complete or roll back, if it is time; True if the endpoint was changed."""
        new_slots = slots_of(rollout.to_variants)
        if len(ready_in(replicas, new_slots)) == len(set(new_slots)):
            return self._finish(record, rollout, RolloutStatus.COMPLETED, "")
        changed = [slot for slot in new_slots if slot not in slots_of(record.variants)]
        failed = failed_for_good(replicas, changed)
        trouble = trouble_of(replicas if failed is None else [failed], changed)
        if failed is not None:
            return self._finish(record, rollout, RolloutStatus.ROLLED_BACK, trouble)
        if self._clock.now() - rollout.started_at > deadline:
            seconds = f"{deadline.total_seconds():.0f} s"
            reason = f"the new replicas were not ready within {seconds}" + (f"; {trouble}" if trouble else "")
            return self._finish(record, rollout, RolloutStatus.ROLLED_BACK, reason)
        return False

    def _finish(self, record: EndpointRecord, rollout: Rollout, status: RolloutStatus, reason: str) -> bool:
        """End the rollout, unless somebody ended it since it was read."""
        with self._database.transaction() as connection:
            present = self._repository.get(connection, record.project, record.name)
            last = self._repository.last_rollout(connection, record.project, record.name)
            if present is None or last is None or last.id != rollout.id or not is_running(last):
                return True
            self._end(connection, present, last, status, reason)
        return True

    def _end(
        self, connection: Connection, record: EndpointRecord, rollout: Rollout, status: RolloutStatus, reason: str
    ) -> None:
        now = self._clock.now()
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


def _words(variants: tuple[Variant, ...]) -> str:
    return ", ".join(f"{variant.model}:{variant.number}" for variant in variants)
