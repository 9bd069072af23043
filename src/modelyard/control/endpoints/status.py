"""What is true of an endpoint, from what it wants and what its replicas do. Pure functions."""

from collections.abc import Iterable, Sequence

from modelyard.control.endpoints.records import EndpointRecord, ReplicaRecord, Slot
from modelyard.types.endpoints import EndpointStatus, ReplicaStatus, Rollout, RolloutStatus, StageKind, Variant

MAXIMUM_FAILURES = 3
"""A variant whose replica failed this often in a row has FAILED: a rollout to it is rolled back."""


def wanted_slots(record: EndpointRecord, rollout: Rollout | None) -> list[Slot]:
    """The slots to fill: those of the variants and, while a rollout runs, of what it leads to as well."""
    if record.is_stopped or record.is_deleting:
        return []
    target = rollout.to_variants if is_running(rollout) and rollout is not None else ()
    return list(dict.fromkeys(slots_of((*record.variants, *target))))


def slots_of(variants: Iterable[Variant]) -> list[Slot]:
    """One slot for each replica of each variant."""
    return [
        Slot(variant.name, variant.model, variant.number, variant.resources, ordinal, variant.is_isolated)
        for variant in variants
        for ordinal in range(variant.replicas)
    ]


def is_running(rollout: Rollout | None) -> bool:
    """True while a rollout is under way."""
    return rollout is not None and rollout.status is RolloutStatus.RUNNING


def ready_in(replicas: Iterable[ReplicaRecord], slots: Iterable[Slot]) -> list[ReplicaRecord]:
    """The ready replicas that fill one of these slots."""
    wanted = set(slots)
    return [replica for replica in replicas if replica.status is ReplicaStatus.READY and replica.slot in wanted]


def failed_for_good(replicas: Iterable[ReplicaRecord], slots: Iterable[Slot]) -> ReplicaRecord | None:
    """A replica of one of these slots that failed MAXIMUM_FAILURES times in a row, if there is one."""
    wanted = set(slots)
    tried = (replica for replica in replicas if replica.slot in wanted and replica.status is not ReplicaStatus.READY)
    return next((replica for replica in tried if replica.failures >= MAXIMUM_FAILURES), None)


def trouble_of(replicas: Iterable[ReplicaRecord], slots: Iterable[Slot]) -> str:
    """Why these slots are not all ready, in words: the newest reason that a replica gives."""
    wanted = set(slots)
    reasons = [
        f"replica {replica.slot.ordinal} of variant '{replica.slot.variant}' "
        f"({replica.slot.model}:{replica.slot.number}): {replica.reason}"
        for replica in replicas
        if replica.slot in wanted and replica.status is not ReplicaStatus.READY and replica.reason
    ]
    return reasons[-1] if reasons else ""


def remark_of(ready: Iterable[ReplicaRecord]) -> str:
    """What was noticed of replicas that work."""
    remarks = (
        f"replica {replica.slot.ordinal} of variant '{replica.slot.variant}' "
        f"({replica.slot.model}:{replica.slot.number}): {replica.reason}"
        for replica in ready
        if replica.reason
    )
    return next(remarks, "")


def status_of(
    record: EndpointRecord, rollout: Rollout | None, replicas: Sequence[ReplicaRecord]
) -> tuple[EndpointStatus, str]:
    """The status and its reason, which is empty only when everything wanted is ready and nothing was noticed of it."""
    if record.is_deleting:
        return EndpointStatus.DELETING, f"{_alive(replicas)} replicas are being ended"
    if record.is_stopped:
        alive = _alive(replicas)
        return EndpointStatus.STOPPED, f"{alive} replicas are being ended" if alive else "it was stopped"
    if rollout is not None and is_running(rollout):
        return EndpointStatus.UPDATING, _progress(rollout, replicas)
    return _serving_status(record, replicas)


def _serving_status(record: EndpointRecord, replicas: Sequence[ReplicaRecord]) -> tuple[EndpointStatus, str]:
    slots = slots_of(record.variants)
    if not slots:
        return EndpointStatus.IDLE, "it has scaled to zero; the next request brings it back"
    ready = ready_in(replicas, slots)
    trouble = trouble_of(replicas, slots)
    missing = f"{len(ready)} of {len(slots)} replicas are ready" + (f"; {trouble}" if trouble else "")
    ready_variants = {replica.slot.variant for replica in ready}
    if all(variant.name in ready_variants for variant in record.variants if variant.weight > 0):
        return EndpointStatus.READY, remark_of(ready) if len(ready) == len(slots) else missing
    if ready:
        return EndpointStatus.DEGRADED, missing
    if failed_for_good(replicas, slots) is not None:
        return EndpointStatus.FAILED, missing
    if record.status is EndpointStatus.IDLE and (record.scaling is not None or record.resting is not None):
        return EndpointStatus.IDLE, f"a request brings it back from zero: {missing}"
    is_new = record.status in (EndpointStatus.CREATING, EndpointStatus.STOPPED, EndpointStatus.IDLE)
    return (EndpointStatus.CREATING if is_new else EndpointStatus.DEGRADED), missing


def stage_words(rollout: Rollout) -> str:
    """The stage that is under way, in words; empty if none is."""
    stage = rollout.current_stage
    if stage is None or rollout.stage is None:
        return ""
    share = f"{stage.share * 100:.3g} %"
    what = f"copies of {share} of the requests" if stage.kind is StageKind.SHADOW else f"{share} of the traffic"
    return f"stage {rollout.stage + 1} of {len(rollout.plan.stages)}, {what}"


def _progress(rollout: Rollout, replicas: Sequence[ReplicaRecord]) -> str:
    slots = slots_of(rollout.to_variants)
    trouble = trouble_of(replicas, slots)
    words = stage_words(rollout)
    if words:
        return f"rollout: {words}" + (f"; {trouble}" if trouble else "")
    words = f"rollout: {len(ready_in(replicas, slots))} of {len(slots)} new replicas are ready"
    return words + (f"; {trouble}" if trouble else "")


def _alive(replicas: Iterable[ReplicaRecord]) -> int:
    return sum(replica.status is not ReplicaStatus.ENDED for replica in replicas)
