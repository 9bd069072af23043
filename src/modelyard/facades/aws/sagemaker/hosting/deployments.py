"""DeploymentConfig: how the traffic moves to the new variants, as stages of a rollout.

Source: Amazon SageMaker Developer Guide, "Blue/Green Deployments" and "Rolling Deployments".
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, repeat, takewhile
from typing import Any

from modelyard.facades.aws.wire.errors import validation_error
from modelyard.types.endpoints import RolloutPlan, RolloutStage, StageKind
from modelyard.types.serving.hosting import HostedVariant

_WHOLE = 1.0
_PERCENT = "CAPACITY_PERCENT"


def plan_of(deployment: dict[str, Any], instances: int) -> RolloutPlan:
    """The plan; all at once if it says nothing.

    AWS moves by the clock alone, so no stage waits for requests; what the gateway sees of failures sends it back.

    Args:
        deployment: the configuration.
        instances: that the new variants have together; a size in instances is a share of them.

    Raises:
        AwsError: it says both how, or not how much.
    """
    rolling, policy = deployment.get("RollingUpdatePolicy"), deployment.get("BlueGreenUpdatePolicy", {})
    if rolling and policy:
        raise validation_error("DeploymentConfig takes a BlueGreenUpdatePolicy or a RollingUpdatePolicy, not both.")
    if rolling:
        return _timed(_steps(_share(rolling["MaximumBatchSize"], instances)), rolling)
    routing = policy.get("TrafficRoutingConfiguration")
    if routing is None or routing["Type"] == "ALL_AT_ONCE":
        return _baking(float(policy.get("TerminationWaitInSeconds", 0))) if alarms_of(deployment) else RolloutPlan()
    if routing["Type"] == "CANARY":
        return _timed([_share(_size(routing, "CanarySize"), instances)], routing)
    return _timed(_steps(_share(_size(routing, "LinearStepSize"), instances)), routing)


def alarms_of(deployment: dict[str, Any]) -> tuple[str, ...]:
    """Names of the alarms that send an update back."""
    alarms = (deployment.get("AutoRollbackConfiguration") or {}).get("Alarms", ())
    return tuple(each["AlarmName"] for each in alarms if "AlarmName" in each)


def retained(
    wished: Sequence[HostedVariant], present: Sequence[HostedVariant], request: dict[str, Any]
) -> tuple[HostedVariant, ...]:
    """The variants of an update, which may keep the weights and numbers of instances that those of their names have."""
    before = {each.name: each for each in present}
    return tuple(_retained(each, before.get(each.name, each), request) for each in wished)


def is_retained(property_type: str, request: dict[str, Any]) -> bool:
    """Whether an update keeps what there is of this VariantPropertyType."""
    changed = (each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", ()))
    return bool(request.get("RetainAllVariantProperties")) and property_type not in changed


def _retained(wished: HostedVariant, before: HostedVariant, request: dict[str, Any]) -> HostedVariant:
    return replace(
        wished,
        weight=before.weight if is_retained("DesiredWeight", request) else wished.weight,
        instances=before.instances if is_retained("DesiredInstanceCount", request) else wished.instances,
    )


def _baking(seconds: float) -> RolloutPlan:
    """All of the traffic at once, while the old replicas stay for as long as alarms are looked at."""
    if not seconds:
        return RolloutPlan()
    whole = RolloutStage(kind=StageKind.TRAFFIC, share=_WHOLE)
    return RolloutPlan(stages=(whole,), seconds=seconds, requests=0)


def _timed(shares: Sequence[float], routing: dict[str, Any]) -> RolloutPlan:
    stages = tuple(RolloutStage(kind=StageKind.TRAFFIC, share=share) for share in shares)
    return RolloutPlan(stages=stages, seconds=float(routing["WaitIntervalInSeconds"]), requests=0)


def _steps(step: float) -> list[float]:
    return list(takewhile(lambda share: share < _WHOLE, accumulate(repeat(step))))


def _size(routing: dict[str, Any], member: str) -> dict[str, Any]:
    if member not in routing:
        raise validation_error(f"{member} must be specified for the traffic routing type {routing['Type']}.")
    size: dict[str, Any] = routing[member]
    return size


def _share(size: dict[str, Any], instances: int) -> float:
    value = float(size["Value"])
    return min(_WHOLE, value / 100 if size["Type"] == _PERCENT else value / max(1, instances))
