"""What programs do around an endpoint: scale it, read its log, tag and list it, and ask it with temporary keys."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from modelyard.testing.aws.archives import tar_gz
from modelyard.testing.aws.platform import AwsPlatform

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
NAME, VARIANT = "Echo", "AllTraffic"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{NAME}/variant/{VARIANT}",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
SCRIPT = b"""
def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    print("asked for", body.decode(), flush=True)
    return body, "text/plain"
"""
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module", autouse=True)
def handlers_are_permitted(platform: AwsPlatform) -> None:
    platform.allow_code()


@pytest.fixture(scope="module")
def sagemaker(aws: Callable[..., Any]) -> Any:
    return aws("sagemaker")


@pytest.fixture(scope="module")
def endpoint(aws: Callable[..., Any], sagemaker: Any) -> str:
    """An endpoint of a script that says what it was asked."""
    s3 = aws("s3")
    s3.create_bucket(Bucket="echoes")
    s3.put_object(Bucket="echoes", Key="model.tar.gz", Body=tar_gz({"code/inference.py": SCRIPT}))
    container = {
        "Image": IMAGE,
        "ModelDataUrl": "s3://echoes/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
    sagemaker.create_model(ModelName=NAME, PrimaryContainer=container)
    sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant()])
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME)
    return NAME


def variant(name: str = VARIANT) -> dict[str, Any]:
    return {"VariantName": name, "ModelName": NAME, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}


def ask(runtime: Any, text: str) -> str:
    answer = runtime.invoke_endpoint(EndpointName=NAME, ContentType="text/plain", Body=text)
    return str(answer["Body"].read().decode())


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**request)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def awaited(look: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look() and time.monotonic() < deadline:
        time.sleep(0.2)
    return look()


def test_the_log_of_an_endpoint_has_what_its_handlers_print(aws: Callable[..., Any], endpoint: str):
    ask(aws("sagemaker-runtime"), "first")
    logs, group = aws("logs"), f"/aws/sagemaker/Endpoints/{endpoint}"
    assert group in [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert stream["logStreamName"].startswith(f"{VARIANT}/")

    def printed() -> list[str]:
        found = logs.filter_log_events(logGroupName=group, filterPattern='"asked for"')
        return [each["message"] for each in found["events"]]

    assert awaited(lambda: printed() == ["asked for first"]), printed()
    last = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], limit=1)["events"]
    assert [each["message"] for each in last] == ["asked for first"]
    missing = "The specified log group does not exist."
    assert refusal(logs.describe_log_streams, logGroupName=f"{group}2") == ("ResourceNotFoundException", missing)


def test_a_session_of_a_role_asks_the_endpoint(aws: Callable[..., Any], endpoint: str):
    sts = aws("sts")
    role = f"arn:aws:iam::{sts.get_caller_identity()['Account']}:role/service-role/Caller"
    lent = sts.assume_role(RoleArn=role, RoleSessionName="nightly")["Credentials"]
    key = (lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"])
    assert aws("sts", key=key).get_caller_identity()["Arn"].endswith(":assumed-role/Caller/nightly")
    assert ask(aws("sagemaker-runtime", key=key), "lent") == "lent"
    wrong = aws("sagemaker-runtime", key=(key[0], "another secret", key[2]))
    request = {"EndpointName": endpoint, "Body": b"x"}
    assert refusal(wrong.invoke_endpoint, **request)[0] == "InvalidSignatureException"
    cut = aws("sagemaker-runtime", key=(*key[:2], key[2][:-8]))
    assert refusal(cut.invoke_endpoint, **request)[0] == "UnrecognizedClientException"


def test_a_scalable_target_with_a_policy_has_its_least_instances(
    aws: Callable[..., Any], sagemaker: Any, endpoint: str
):
    scaling = aws("application-autoscaling")
    policy = {
        "PolicyName": "by-load",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 70.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
    }
    assert refusal(scaling.put_scaling_policy, **TARGET, **policy)[0] == "ObjectNotFoundException"
    negative = {**TARGET, "MinCapacity": -1, "MaxCapacity": 3}
    assert refusal(scaling.register_scalable_target, **negative)[0] == "ValidationException"
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=100)
    scaling.put_scaling_policy(**TARGET, **policy)
    scaling.register_scalable_target(**TARGET, MinCapacity=2)
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 100)
    (shown,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert shown["TargetTrackingScalingPolicyConfiguration"] == policy["TargetTrackingScalingPolicyConfiguration"]

    def counts() -> tuple[int, int]:
        (one,) = sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
        return one["DesiredInstanceCount"], one["CurrentInstanceCount"]

    assert awaited(lambda: counts() == (2, 2)), counts()
    done = scaling.describe_scaling_activities(ServiceNamespace="sagemaker", ResourceId=TARGET["ResourceId"])
    assert [(each["Description"], each["StatusCode"]) for each in done["ScalingActivities"]] == [
        ("Setting desired instance count to 2.", "Successful")
    ]
    scaling.delete_scaling_policy(**TARGET, PolicyName="by-load")
    scaling.deregister_scalable_target(**TARGET)
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert refusal(scaling.deregister_scalable_target, **TARGET)[0] == "ObjectNotFoundException"


@pytest.mark.parametrize(
    ("variants", "words"),
    [
        ([variant("A"), variant("A")], "must be unique"),
        ([{"VariantName": "A", "ModelName": NAME}], "InitialInstanceCount and InstanceType, or a ServerlessConfig"),
        ([{**variant(), "InitialVariantWeight": 0.0}], "above 0"),
    ],
    ids=["twice", "on nothing", "no weight"],
)
def test_variants_that_cannot_serve_are_refused(sagemaker: Any, endpoint: str, variants: list[Any], words: str):
    code, message = refusal(sagemaker.create_endpoint_config, EndpointConfigName="bad", ProductionVariants=variants)
    assert code == "ValidationException"
    assert words in message


def test_what_is_wrong_with_names_tokens_and_tags_is_said_in_awss_words(sagemaker: Any, endpoint: str):
    code, message = refusal(sagemaker.create_endpoint, EndpointName="e", EndpointConfigName="none")
    assert (code, message.partition(' "')[0]) == ("ValidationException", "Could not find endpoint configuration")
    for listed in (sagemaker.list_endpoints, sagemaker.list_models, sagemaker.list_training_jobs):
        code, message = refusal(listed, NextToken="junk")
        assert (code, message.partition(":")[0]) == ("ValidationException", "Invalid NextToken")
    arn = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    twice = [{"Key": "team", "Value": "a"}, {"Key": "team", "Value": "b"}]
    assert "there twice" in refusal(sagemaker.add_tags, ResourceArn=arn, Tags=twice)[1]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
