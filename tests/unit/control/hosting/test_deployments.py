"""Deployment configurations as stages of a rollout."""

from dataclasses import replace
from typing import Any

import pytest

from modelyard.facades.aws.sagemaker.hosting.deployments import plan_of, retained
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.types.serving.hosting import HostedVariant


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
        (blue_green(Type="CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}), [0.25]),
        (blue_green(Type="LINEAR", LinearStepSize=percent(25)), [0.25, 0.5, 0.75]),
        ({"RollingUpdatePolicy": {"MaximumBatchSize": percent(50), "WaitIntervalInSeconds": 30}}, [0.5]),
    ],
)
def test_traffic_routing_becomes_stages_that_last_as_long(deployment: dict[str, Any], shares: list[float]):
    plan = plan_of(deployment, 4)
    assert [stage.share for stage in plan.stages] == shares
    if shares:
        assert (plan.seconds, plan.requests) == (30.0, 0)


def test_the_traffic_of_an_endpoint_without_instances_moves_at_once():
    assert plan_of(blue_green(Type="LINEAR", LinearStepSize={"Type": "INSTANCE_COUNT", "Value": 1}), 0).stages == ()


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        ({**blue_green(), "RollingUpdatePolicy": {"MaximumBatchSize": percent(10)}}, "not both"),
        (blue_green(Type="CANARY"), "CanarySize must be specified"),
    ],
)
def test_what_has_no_meaning_here_is_refused(deployment: dict[str, Any], words: str):
    with pytest.raises(AwsError, match=words):
        plan_of(deployment, 4)


def test_an_update_may_keep_the_weights_and_numbers_that_variants_have():
    wished = [HostedVariant(name=name, model="new", weight=1.0, instances=1) for name in ("blue", "green")]
    present = [HostedVariant(name="blue", model="old", weight=0.25, instances=3)]
    assert retained(wished, present, {}) == tuple(wished)
    kept = {"RetainAllVariantProperties": True}
    assert retained(wished, present, kept) == (replace(wished[0], weight=0.25, instances=3), wished[1])
    changed = {**kept, "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}]}
    assert retained(wished, present, changed)[0] == replace(wished[0], instances=3)
