"""SageMaker endpoints with boto3 on a whole platform: down to zero and back, data capture, errors, alarms."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from modelyard.testing.aws.archives import tar_gz
from modelyard.testing.aws.platform import AwsPlatform
from modelyard.testing.programs import until

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "models"
CALLERS = 90
SCRIPT = """
import time

def model_fn(model_dir):
    return open(model_dir + "/word.txt").read()

def transform_fn(word, text, content_type, accept):
    if text == "slow":
        time.sleep(0.5)
    if text == "bad":
        raise ValueError("this body is bad")
    return word + ":" + text, "text/csv"
"""


class World:
    """A platform with a bucket, and its clients."""

    def __init__(self, platform: AwsPlatform) -> None:
        self.platform = platform
        self.sagemaker = platform.client("sagemaker")
        self.runtime = platform.client("sagemaker-runtime", config=Config(max_pool_connections=CALLERS))
        self.s3 = platform.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes) -> str:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def container(self, word: str, **more: Any) -> dict[str, Any]:
        url = self.put(
            f"{word}/model.tar.gz", tar_gz({"code/inference.py": SCRIPT.encode(), "word.txt": word.encode()})
        )
        return {"Image": SKLEARN, "ModelDataUrl": url, "Environment": {"SAGEMAKER_PROGRAM": "inference.py"}, **more}

    def serve(self, name: str, **config: Any) -> None:
        """An endpoint of this name, with the model of this name unless the variants say otherwise."""
        variant = {"VariantName": "AllTraffic", "ModelName": name}
        variants = [{**variant, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}]
        wanted = {"EndpointConfigName": name, "ProductionVariants": variants, **config}
        self.sagemaker.create_endpoint_config(**wanted)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)

    def ask(self, name: str, body: str, **more: Any) -> str:
        answer = self.runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=body, **more)
        return str(answer["Body"].read().decode())

    def refusal(self, name: str, body: str, **more: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as refused:
            self.ask(name, body, **more)
        return dict(refused.value.response)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with AwsPlatform(tmp_path_factory.mktemp("aws") / "home") as platform:
        platform.allow_code()
        made = World(platform)
        made.sagemaker.create_model(ModelName="echo", PrimaryContainer=made.container("echo"))
        yield made


def test_a_serverless_endpoint_goes_down_to_zero_and_comes_back_with_the_next_request(world: World):
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    variant = {"VariantName": "AllTraffic", "ModelName": "echo", "ServerlessConfig": serverless}
    world.serve("idle", ProductionVariants=[variant])
    assert world.ask("idle", "1") == "echo:1"
    path = "/operations/v1/projects/default/endpoints/idle"
    scaling = world.platform.rest("GET", path)["scaling"]
    assert scaling["minimum_replicas"] == 0
    world.platform.rest("PATCH", path, json={"scaling": {**scaling, "idle_seconds": 1}})
    until(lambda: not world.platform.rest("GET", path)["replicas"], "it rests")
    assert world.sagemaker.describe_endpoint(EndpointName="idle")["EndpointStatus"] == "InService"
    assert world.ask("idle", "2") == "echo:2"


def test_captures_lie_in_the_bucket_in_awss_form(world: World):
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/captures",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    }
    world.serve("captured", ProductionVariants=[instance("echo", "Main")], DataCaptureConfig=capture)
    assert world.ask("captured", "1,2", InferenceId="mine", CustomAttributes="trace=7") == "echo:1,2"
    listed = until(
        lambda: world.s3.list_objects_v2(Bucket=BUCKET, Prefix="captures/captured/Main/").get("Contents"),
        "a capture is there",
    )
    line = json.loads(world.s3.get_object(Bucket=BUCKET, Key=listed[0]["Key"])["Body"].read())
    assert line["captureData"]["endpointInput"]["data"] == "1,2"
    assert line["captureData"]["endpointOutput"]["data"] == "echo:1,2"
    assert line["captureData"]["endpointOutput"]["encoding"] == "CSV"
    assert line["eventMetadata"]["inferenceId"] == "mine"
    assert line["eventMetadata"]["customAttributes"] == ["trace=7"]


def test_a_failing_handler_is_a_model_error_and_too_many_requests_are_throttled(world: World):
    world.serve("echo")
    error = world.refusal("echo", "bad")
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
    assert error["OriginalStatusCode"] == 500
    assert "this body is bad" in error["OriginalMessage"]

    def outcome(_: int) -> tuple[str, int]:
        request = {"EndpointName": "echo", "ContentType": "text/csv", "Body": "slow"}
        try:
            events = world.runtime.invoke_endpoint_with_response_stream(**request)["Body"]
            return b"".join(event["PayloadPart"]["Bytes"] for event in events).decode(), 200
        except ClientError as error:
            return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]

    with ThreadPoolExecutor(CALLERS) as callers:
        outcomes = set(callers.map(outcome, range(CALLERS)))
    assert ("echo:slow", 200) in outcomes
    assert ("ThrottlingException", 429) in outcomes


def test_an_alarm_sends_an_update_back_while_the_traffic_moves(world: World):
    cloudwatch = world.platform.client("cloudwatch")
    alarm = {
        "AlarmName": "too-many-complaints",
        "Namespace": "Shop",
        "MetricName": "Complaints",
        "Dimensions": [{"Name": "Shop", "Value": "Delft"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 1,
        "Threshold": 10.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    cloudwatch.put_metric_alarm(**alarm)
    described = cloudwatch.describe_alarms(AlarmNames=["too-many-complaints"])["MetricAlarms"][0]
    assert described["StateValue"] == "INSUFFICIENT_DATA"
    world.sagemaker.create_model(ModelName="other", PrimaryContainer=world.container("other"))
    world.serve("shop", ProductionVariants=[instance("echo")])
    world.sagemaker.create_endpoint_config(EndpointConfigName="shop-2", ProductionVariants=[instance("other")])
    half = {"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 600}
    world.sagemaker.update_endpoint(
        EndpointName="shop",
        EndpointConfigName="shop-2",
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": half},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "too-many-complaints"}]},
        },
    )
    until(lambda: world.ask("shop", "1") == "other:1", "the new variant answers")
    assert world.sagemaker.describe_endpoint(EndpointName="shop")["EndpointStatus"] == "Updating"
    complaint = {"MetricName": "Complaints", "Dimensions": alarm["Dimensions"], "Value": 11.0, "Unit": "Count"}
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[complaint])
    world.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop")
    after = world.sagemaker.describe_endpoint(EndpointName="shop")
    assert after["EndpointConfigName"] == "shop"
    assert "Alarm too-many-complaints: 1 of the last 5 periods" in after["FailureReason"]
    assert {world.ask("shop", "1") for _ in range(20)} == {"echo:1"}
    cloudwatch.delete_alarms(AlarmNames=["too-many-complaints"])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_metrics_of_endpoints_and_of_programs_are_read_as_cloudwatch_has_them(world: World):
    cloudwatch = world.platform.client("cloudwatch")
    world.serve("counted", ProductionVariants=[instance("echo", "Main")])
    dimensions = [{"Name": "EndpointName", "Value": "counted"}, {"Name": "VariantName", "Value": "Main"}]
    asked = {"Namespace": "AWS/SageMaker", "MetricName": "Invocation5XXErrors", "Dimensions": dimensions}
    span = {"StartTime": datetime.now(UTC) - timedelta(hours=1), "EndTime": datetime.now(UTC) + timedelta(hours=1)}

    def failures() -> float:
        world.refusal("counted", "bad")
        read = cloudwatch.get_metric_statistics(**asked, **span, Period=7200, Statistics=["Sum"])
        return sum(point["Sum"] for point in read["Datapoints"])

    until(failures, "failures are counted")
    listed = cloudwatch.list_metrics(Namespace="AWS/SageMaker", Dimensions=dimensions[:1])["Metrics"]
    assert {"Invocations", "Invocation5XXErrors"} <= {each["MetricName"] for each in listed}
    put_by_query(world.platform, MetricName="Sold", Value="3")
    put_by_query(world.platform, MetricName="Sold", Value="4")
    stat = {"Metric": {"Namespace": "Old", "MetricName": "Sold"}, "Period": 7200, "Stat": "Average"}
    read = cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "sold", "MetricStat": stat}], **span)
    assert [value for each in read["MetricDataResults"] for value in each["Values"]] == [3.5]


def test_an_update_in_batches_keeps_the_shares_of_an_experiment(world: World):
    world.sagemaker.create_model(ModelName="rival", PrimaryContainer=world.container("rival"))
    before = [instance("echo", "A", 3.0), instance("rival", "B", 1.0)]
    world.serve("experiment", ProductionVariants=before)
    answers = [world.ask("experiment", "1") for _ in range(120)]
    assert 65 <= answers.count("echo:1") <= 110  # 90 on average, and five deviations
    dimensions = [{"Name": "EndpointName", "Value": "experiment"}, {"Name": "VariantName", "Value": "B"}]
    asked = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Dimensions": dimensions}
    span = {"StartTime": datetime.now(UTC) - timedelta(hours=1), "EndTime": datetime.now(UTC) + timedelta(hours=1)}
    cloudwatch = world.platform.client("cloudwatch")

    def counted() -> float:
        read = cloudwatch.get_metric_statistics(**asked, **span, Period=7200, Statistics=["Sum"])
        return sum(point["Sum"] for point in read["Datapoints"])

    until(lambda: counted() == answers.count("rival:1"), "every call of the variant is counted")
    swapped = [instance("rival", "A"), instance("echo", "B")]
    world.sagemaker.create_endpoint_config(EndpointConfigName="experiment-2", ProductionVariants=swapped)
    batches = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 1}
    rolling = {"RollingUpdatePolicy": batches}
    world.sagemaker.update_endpoint(
        EndpointName="experiment",
        EndpointConfigName="experiment-2",
        RetainAllVariantProperties=True,
        DeploymentConfig=rolling,
    )
    world.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="experiment")
    after = world.sagemaker.describe_endpoint(EndpointName="experiment")
    assert after["LastDeploymentConfig"] == rolling
    assert {each["VariantName"]: each["CurrentWeight"] for each in after["ProductionVariants"]} == {"A": 3.0, "B": 1.0}
    assert (world.ask("experiment", "1", TargetVariant="A"), world.ask("experiment", "1", TargetVariant="B")) == (
        "rival:1",
        "echo:1",
    )


def put_by_query(platform: AwsPlatform, **datum: str) -> None:
    """PutMetricData by the query protocol, which older clients speak."""
    fields = {f"MetricData.member.1.{name}": value for name, value in datum.items()}
    body = urlencode({"Action": "PutMetricData", "Version": "2010-08-01", "Namespace": "Old", **fields})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", f"{platform.url}/", data=body, headers=headers)
    SigV4Auth(Credentials(*platform.key), "monitoring", "us-east-1").add_auth(request)
    answer = httpx.post(request.url, content=body, headers=dict(request.headers))
    assert (answer.status_code, "PutMetricDataResponse" in answer.text) == (200, True), answer.text


def instance(model: str, name: str = "AllTraffic", weight: float = 1.0) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": weight,
    }
