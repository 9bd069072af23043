"""DeploymentConfig: how the traffic moves to the new variants, as stages of a rollout.

Source: Amazon SageMaker Developer Guide, "Blue/Green Deployments".
"""

from itertools import accumulate, repeat, takewhile
from typing import Any

from modelyard.facades.aws.wire.errors import validation_error
from modelyard.types.endpoints import RolloutPlan, RolloutStage, StageKind

_WHOLE = 1.0
_PERCENT = "CAPACITY_PERCENT"


def plan_of(deployment: dict[str, Any]) -> RolloutPlan:
    """The plan; all at once if it says nothing.

    AWS moves by the clock alone, so no stage waits for requests; what the gateway sees of failures sends it back.

    Raises:
        AwsError: it counts instances, which have no meaning here, or moves in rolling batches.
    """
    if deployment.get("RollingUpdatePolicy"):
        raise validation_error("RollingUpdatePolicy is not carried out; use BlueGreenUpdatePolicy.")
    policy = deployment.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration")
    if routing is None or routing["Type"] == "ALL_AT_ONCE":
        return _baking(float(policy.get("TerminationWaitInSeconds", 0))) if alarms_of(deployment) else RolloutPlan()
    if routing["Type"] == "CANARY":
        shares = [_share(routing.get("CanarySize"), "CanarySize")]
    else:
        step = _share(routing.get("LinearStepSize"), "LinearStepSize")
        shares = list(takewhile(lambda share: share < _WHOLE, accumulate(repeat(step))))
    return RolloutPlan(
        stages=tuple(RolloutStage(kind=StageKind.TRAFFIC, share=share) for share in shares),
        seconds=float(routing["WaitIntervalInSeconds"]),
        requests=0,
    )


def alarms_of(deployment: dict[str, Any]) -> tuple[str, ...]:
    """Names of the alarms that send an update back."""
    alarms = (deployment.get("AutoRollbackConfiguration") or {}).get("Alarms", ())
    return tuple(each["AlarmName"] for each in alarms if "AlarmName" in each)


def _baking(seconds: float) -> RolloutPlan:
    """All of the traffic at once, while the old replicas stay for as long as alarms are looked at."""
    if not seconds:
        return RolloutPlan()
    whole = RolloutStage(kind=StageKind.TRAFFIC, share=_WHOLE)
    return RolloutPlan(stages=(whole,), seconds=seconds, requests=0)


def _share(size: dict[str, Any] | None, member: str) -> float:
    if size is None or size["Type"] != _PERCENT:
        raise validation_error(f"{member} must be given with the Type {_PERCENT}.")
    return float(size["Value"]) / 100
