"""Deployment configurations as stages of a rollout."""

from typing import Any

import pytest

from modelyard.facades.aws.sagemaker.hosting.deployments import plan_of
from modelyard.facades.aws.wire.errors import AwsError


def blue_green(**routing: Any) -> dict[str, Any]:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 30, **routing}
        }
    }


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


@pytest.mark.parametrize(
    ("deployment", "shares"),
    [
        ({}, []),
        (blue_green(), []),
        (blue_green(Type="CANARY", CanarySize=percent(10)), [0.1]),
        (blue_green(Type="LINEAR", LinearStepSize=percent(25)), [0.25, 0.5, 0.75]),
    ],
)
def test_traffic_routing_becomes_stages_that_last_as_long(deployment: dict[str, Any], shares: list[float]):
    plan = plan_of(deployment)
    assert [stage.share for stage in plan.stages] == shares
    if shares:
        assert (plan.seconds, plan.requests) == (30.0, 0)


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        ({"RollingUpdatePolicy": {"MaximumBatchSize": percent(10), "WaitIntervalInSeconds": 1}}, "RollingUpdatePolicy"),
        (blue_green(Type="CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}), "CAPACITY_PERCENT"),
    ],
)
def test_what_has_no_meaning_here_is_refused(deployment: dict[str, Any], words: str):
    with pytest.raises(AwsError, match=words):
        plan_of(deployment)
