"""How an endpoint of ours stands, in AWS's words."""

from collections.abc import Iterator, Sequence
from typing import Any

from modelyard.control.hosting.records import EndpointView, Phase
from modelyard.kit.foreign_names import own_name
from modelyard.types.endpoints import Endpoint, EndpointStatus, ReplicaStatus
from modelyard.types.serving.hosting import HostedVariant

MOVING = ("Creating", "Updating", "Deleting")
"""What waiters wait for the end of."""

_STATUS = {
    EndpointStatus.CREATING: "Creating",
    EndpointStatus.READY: "InService",
    EndpointStatus.IDLE: "InService",
    EndpointStatus.DEGRADED: "InService",
    EndpointStatus.UPDATING: "Updating",
    EndpointStatus.FAILED: "Failed",
    EndpointStatus.STOPPED: "OutOfService",
    EndpointStatus.DELETING: "Deleting",
}
_WORST_FIRST = ("Failed", "Creating", "Deleting", "OutOfService", "Updating")
_REASON_LENGTH = 1024


def status_of(view: EndpointView) -> str:
    """EndpointStatus; empty: it is gone."""
    hosted, own = view.hosted, view.own
    if hosted is None:
        return "Deleting" if own is not None else ""
    if hosted.phase is Phase.FAILED:
        return "Failed"
    if hosted.phase in (Phase.CHANGING, Phase.MOVING):
        return "Updating"
    if hosted.composition is not None and hosted.phase is Phase.SERVED:
        return _status_of_parts(view.parts)
    if own is None or (not view.is_followed and own.updated_at == own.created_at):
        return "Creating"
    return _STATUS[own.status] if view.is_followed else "Updating"


def reason_of(view: EndpointView) -> str | None:
    """FailureReason: why it failed, or why its last change did."""
    hosted, own = view.hosted, view.own
    for container, part in _parts(view):
        if part.failure is not None:
            return f"{container}: {part.failure}"[:_REASON_LENGTH]
    if hosted is not None and hosted.reason:
        return hosted.reason[:_REASON_LENGTH]
    is_failed = own is not None and own.status is EndpointStatus.FAILED
    return own.reason[:_REASON_LENGTH] if own is not None and is_failed else None


def variants_shown(view: EndpointView) -> list[dict[str, Any]] | None:
    """ProductionVariants, as they are served now; None while there are none."""
    hosted, own = view.hosted, view.own
    if hosted is not None and hosted.composition is not None and hosted.phase is Phase.SERVED:
        return [_shown_of_parts(hosted.variants[0], view.parts)]
    if hosted is None or own is None or hosted.phase is Phase.FAILED:
        return None
    return [_shown(variant, own) for variant in hosted.variants] or None


def _parts(view: EndpointView) -> Iterator[tuple[str, EndpointView]]:
    """The parts with the names of their containers."""
    composition = view.hosted.composition if view.hosted is not None else None
    if composition is not None:
        yield from zip((each.hostname for each in composition.containers), view.parts, strict=False)


def _status_of_parts(parts: Sequence[EndpointView]) -> str:
    """The endpoint is in service when every part is; of models by target none has to be there."""
    found = {status_of(part) or "Creating" for part in parts}
    return next((status for status in _WORST_FIRST if status in found), "InService")


def _shown_of_parts(variant: HostedVariant, parts: Sequence[EndpointView]) -> dict[str, Any]:
    """As many instances as every part has."""
    ready = [
        sum(each.status is ReplicaStatus.READY for each in part.own.replicas) if part.own is not None else 0
        for part in parts
    ]
    return {
        "VariantName": variant.name,
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": min(ready, default=variant.instances),
        "DesiredInstanceCount": variant.instances,
    }


def _shown(variant: HostedVariant, own: Endpoint) -> dict[str, Any]:
    name = own_name(variant.name)
    served = next((each for each in own.variants if each.name == name), None)
    ready = sum(each.variant == name and each.status is ReplicaStatus.READY for each in own.replicas)
    weight = variant.weight if served is None else served.weight
    shown: dict[str, Any] = {"VariantName": variant.name, "CurrentWeight": weight, "DesiredWeight": variant.weight}
    if variant.max_concurrency is None:
        wanted = variant.instances if own.scaling is None or served is None else served.replicas
        return {**shown, "CurrentInstanceCount": ready, "DesiredInstanceCount": wanted}
    return shown
