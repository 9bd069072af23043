"""Models and endpoints with boto3, as AWS's documentation calls them, on a model.tar.gz in a real S3."""

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import xgboost
from botocore.exceptions import ClientError, WaiterError

from modelyard.testing.aws.archives import tar_gz
from modelyard.testing.aws.platform import AwsPlatform

REGION_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
XGBOOST = f"{REGION_IMAGE}/sagemaker-xgboost:1.7-1"
SKLEARN = f"{REGION_IMAGE}/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "models"
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
SCRIPT = """
import json, os

def model_fn(model_dir):
    with open(os.path.join(model_dir, "words.json")) as file:
        return json.load(file)

def transform_fn(model, body, content_type, accept):
    if content_type != "text/plain":
        raise ValueError("only text/plain, not " + content_type)
    return (model[word] for word in body.decode().split()), "text/plain"
"""
WORDS = b'{"one": "1;", "two": "2;", "three": "3;"}'
ROWS = np.array([[1, 1, 0, 0], [-1, -1, 0, 0], [0.5, -1, 2, 3]], np.float32)


def booster(flip: bool = False) -> xgboost.Booster:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    data = xgboost.DMatrix(x, 1 - y if flip else y)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 2, "nthread": 1}, data, 5)


class Store:
    """A bucket of the platform."""

    def __init__(self, client: Any) -> None:
        self._client = client
        client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes, **options: str) -> str:
        self._client.put_object(Bucket=BUCKET, Key=key, Body=content, **options)
        return f"s3://{BUCKET}/{key}"

    def awaited(self, uri: str) -> bytes:
        """The content of an object that is to come."""
        key = uri.removeprefix(f"s3://{BUCKET}/")
        self._client.get_waiter("object_exists").wait(Bucket=BUCKET, Key=key, WaiterConfig={"Delay": 1})
        return bytes(self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.fixture(scope="module")
def store(aws: Callable[..., Any]) -> Store:
    return Store(aws("s3"))


@pytest.fixture(scope="module", autouse=True)
def handlers_are_permitted(platform: AwsPlatform) -> None:
    platform.allow_code()


@pytest.fixture(scope="module")
def sagemaker(aws: Callable[..., Any]) -> Any:
    return aws("sagemaker")


@pytest.fixture(scope="module")
def runtime(aws: Callable[..., Any]) -> Any:
    return aws("sagemaker-runtime")


@pytest.fixture(scope="module")
def models(sagemaker: Any, store: Store) -> None:
    """`Churn` and `Flipped` by XGBoost, `words` by script handlers."""
    for name, flip in (("Churn", False), ("Flipped", True)):
        content = bytes(booster(flip).save_raw("ubj"))
        url = store.put(f"{name}/model.tar.gz", tar_gz({"xgboost-model": content}))
        container = {"Image": XGBOOST, "ModelDataUrl": url}
        sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    url = store.put("words/model.tar.gz", tar_gz({"code/inference.py": SCRIPT.encode(), "words.json": WORDS}))
    container = {"Image": SKLEARN, "ModelDataUrl": url, "Environment": {"SAGEMAKER_PROGRAM": "inference.py"}}
    sagemaker.create_model(ModelName="words", PrimaryContainer=container, ExecutionRoleArn=ROLE)


def variant(model: str, name: str = "AllTraffic", weight: float = 1.0) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": weight,
    }


@pytest.fixture(scope="module")
def churn(sagemaker: Any, models: None) -> str:
    """An endpoint with two variants that answer otherwise; all of the traffic has the first."""
    variants = [variant("Churn", "Blue"), variant("Flipped", "Green", 0.0)]
    sagemaker.create_endpoint_config(EndpointConfigName="Churn-1", ProductionVariants=variants)
    created = sagemaker.create_endpoint(EndpointName="Churn", EndpointConfigName="Churn-1")
    assert created["EndpointArn"].endswith(":endpoint/churn")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="Churn")
    return "Churn"


def expected(flip: bool = False) -> list[float]:
    return [float(value) for value in booster(flip).predict(xgboost.DMatrix(ROWS))]


def ask(runtime: Any, **changes: Any) -> tuple[list[float], dict[str, Any]]:
    body = "\n".join(",".join(str(cell) for cell in row) for row in ROWS.tolist())
    request = {"EndpointName": "Churn", "ContentType": "text/csv", "Body": body, **changes}
    answer = runtime.invoke_endpoint(**request)
    return [float(line) for line in answer["Body"].read().decode().split()], answer


def test_a_waiter_returns_once_the_endpoint_answers_as_xgboost_does(sagemaker: Any, runtime: Any, churn: str):
    values, answer = ask(runtime)
    assert values == pytest.approx(expected(), abs=1e-5)
    assert answer["ContentType"].startswith("text/csv")
    assert answer["InvokedProductionVariant"] == "Blue"
    described = sagemaker.describe_endpoint(EndpointName=churn)
    assert described["EndpointStatus"] == "InService"
    assert [each["CurrentInstanceCount"] for each in described["ProductionVariants"]] == [1, 1]


def test_target_variant_and_new_weights_choose_who_answers(sagemaker: Any, runtime: Any, churn: str):
    values, answer = ask(runtime, TargetVariant="Green")
    assert values == pytest.approx(expected(flip=True), abs=1e-5)
    assert answer["InvokedProductionVariant"] == "Green"
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=churn,
        DesiredWeightsAndCapacities=[
            {"VariantName": "Blue", "DesiredWeight": 0},
            {"VariantName": "Green", "DesiredWeight": 1},
        ],
    )
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=churn)
    assert ask(runtime)[1]["InvokedProductionVariant"] == "Green"
    weights = sagemaker.describe_endpoint(EndpointName=churn)["ProductionVariants"]
    assert {each["VariantName"]: each["CurrentWeight"] for each in weights} == {"Blue": 0, "Green": 1}


def test_another_configuration_takes_over_without_a_failed_request(sagemaker: Any, runtime: Any, churn: str):
    sagemaker.create_endpoint_config(EndpointConfigName="Churn-2", ProductionVariants=[variant("Flipped", "Blue")])
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 1,
    }
    sagemaker.update_endpoint(
        EndpointName=churn,
        EndpointConfigName="Churn-2",
        DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}},
    )
    done = threading.Event()
    waiting = threading.Thread(
        target=lambda: (sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=churn), done.set())
    )
    waiting.start()
    while not done.is_set():
        ask(runtime)
        time.sleep(0.05)
    waiting.join()
    described = sagemaker.describe_endpoint(EndpointName=churn)
    assert described["EndpointConfigName"] == "Churn-2"
    assert [each["VariantName"] for each in described["ProductionVariants"]] == ["Blue"]
    assert ask(runtime)[0] == pytest.approx(expected(flip=True), abs=1e-5)


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        call()
    return dict(refused.value.response)


def test_what_a_model_refuses_is_a_model_error_with_its_status(runtime: Any, churn: str):
    for changes, status in (({"ContentType": "image/x-unknown"}, 415), ({"Body": "1,2"}, 400)):
        error = refusal(lambda changes=changes: ask(runtime, **changes))
        assert error["Error"]["Code"] == "ModelError"
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert error["OriginalStatusCode"] == status
        assert error["OriginalMessage"]


def test_what_the_platform_refuses_has_awss_codes(
    aws: Callable[..., Any], platform: AwsPlatform, runtime: Any, churn: str
):
    assert refusal(lambda: ask(runtime, EndpointName="Nowhere"))["Error"]["Code"] == "ValidationError"
    nobody = refusal(lambda: ask(runtime, TargetVariant="Nobody"))["Error"]
    assert (nobody["Code"], nobody["Message"]) == ("ValidationError", "Variant Nobody not found for Request.")
    for part in ("TargetModel", "TargetContainerHostname", "InferenceComponentName"):
        error = refusal(partial(ask, runtime, **{part: "other"}))["Error"]
        assert (error["Code"], error["Message"].partition(" ")[0]) == ("ValidationError", "Endpoint")
        assert "does not support" in error["Message"]
    wrong = aws("sagemaker-runtime", key=(platform.key[0], "a wrong secret"))
    assert refusal(lambda: ask(wrong))["Error"]["Code"] == "InvalidSignatureException"
    strange = aws("sagemaker-runtime", key=("AKIAAAAAAAAAAAAAAAAA", "secret"))
    assert refusal(lambda: ask(strange))["Error"]["Code"] == "UnrecognizedClientException"


def test_script_handlers_answer_whole_and_in_parts(sagemaker: Any, runtime: Any, models: None):
    sagemaker.create_endpoint_config(EndpointConfigName="words", ProductionVariants=[variant("words")])
    sagemaker.create_endpoint(EndpointName="words", EndpointConfigName="words")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="words")
    request = {"EndpointName": "words", "ContentType": "text/plain", "Body": b"one two three"}
    answer = runtime.invoke_endpoint(**request)
    assert answer["Body"].read() == b"1;2;3;"
    assert answer["ContentType"] == "text/plain"
    events = list(runtime.invoke_endpoint_with_response_stream(**request)["Body"])
    assert [event["PayloadPart"]["Bytes"] for event in events] == [b"1;", b"2;", b"3;"]
    error = refusal(lambda: runtime.invoke_endpoint(**{**request, "ContentType": "text/csv"}))
    assert error["OriginalStatusCode"] == 500
    assert "only text/plain" in error["OriginalMessage"]


def test_serverless_variants_and_data_capture_are_described(sagemaker: Any, runtime: Any, models: None):
    serverless = {"VariantName": "AllTraffic", "ModelName": "Churn"}
    serverless["ServerlessConfig"] = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://somewhere/captures",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="serverless", ProductionVariants=[serverless], DataCaptureConfig=capture
    )
    sagemaker.create_endpoint(EndpointName="serverless", EndpointConfigName="serverless")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="serverless")
    assert ask(runtime, EndpointName="serverless")[0] == pytest.approx(expected(), abs=1e-5)
    described = sagemaker.describe_endpoint(EndpointName="serverless")
    assert described["ProductionVariants"][0]["CurrentServerlessConfig"] == serverless["ServerlessConfig"]
    assert described["DataCaptureConfig"]["CurrentSamplingPercentage"] == 100
    config = sagemaker.describe_endpoint_config(EndpointConfigName="serverless")
    assert config["ProductionVariants"] == [serverless]


def test_asynchronous_requests_leave_their_answers_and_failures_as_objects(
    sagemaker: Any, runtime: Any, store: Store, models: None
):
    output = {"S3OutputPath": f"s3://{BUCKET}/out", "S3FailurePath": f"s3://{BUCKET}/failed"}
    sagemaker.create_endpoint_config(
        EndpointConfigName="async",
        ProductionVariants=[variant("Churn")],
        AsyncInferenceConfig={"OutputConfig": output},
    )
    sagemaker.create_endpoint(EndpointName="async", EndpointConfigName="async")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="async")
    good = store.put("in/rows.csv", b"1,1,0,0\n-1,-1,0,0\n")
    bad = store.put("in/bad.csv", b"1,2\n")
    accepted, refused = (
        runtime.invoke_endpoint_async(EndpointName="async", InputLocation=uri, ContentType="text/csv")
        for uri in (good, bad)
    )
    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    values = [float(line) for line in store.awaited(accepted["OutputLocation"]).split()]
    assert values == pytest.approx(expected()[:2], abs=1e-5)
    failure = json.loads(store.awaited(refused["FailureLocation"]))
    assert "must have shape [-1, 4], got [1, 2]" in failure["Message"]
    assert failure["OriginalStatusCode"] == 400
    typed = store.put("in/typed.csv", b"1,1,0,0\n", ContentType="text/csv")
    by_object = runtime.invoke_endpoint_async(EndpointName="async", InputLocation=typed)
    assert [float(line) for line in store.awaited(by_object["OutputLocation"]).split()] == values[:1]
    synchronous = refusal(lambda: runtime.invoke_endpoint_async(EndpointName="nowhere", InputLocation=good))
    assert synchronous["Error"]["Code"] == "ValidationError"


def test_a_model_of_data_that_is_not_there_is_refused(sagemaker: Any):
    for url in ("s3://no-such-bucket-here/model.tar.gz", f"s3://{BUCKET}/none/model.tar.gz"):
        container = {"Image": XGBOOST, "ModelDataUrl": url}
        error = refusal(partial(sagemaker.create_model, ModelName="none", PrimaryContainer=container))["Error"]
        assert (error["Code"], error["Message"]) == ("ValidationException", f"Could not find model data at {url}.")


def test_an_endpoint_whose_model_cannot_be_served_fails_with_the_reason(sagemaker: Any, store: Store):
    url = store.put("bad/model.tar.gz", tar_gz({"one": b"1", "two": b"2"}))
    sagemaker.create_model(ModelName="bad", PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": url})
    sagemaker.create_endpoint_config(EndpointConfigName="bad", ProductionVariants=[variant("bad")])
    sagemaker.create_endpoint(EndpointName="bad", EndpointConfigName="bad")
    with pytest.raises(WaiterError):
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="bad")
    reason = sagemaker.describe_endpoint(EndpointName="bad")["FailureReason"]
    assert "holds one, two, and no 'xgboost-model'" in reason
    (failed,) = sagemaker.list_endpoints(StatusEquals="Failed", NameContains="bad", MaxResults=1)["Endpoints"]
    assert failed["EndpointName"] == "bad"
    pages = sagemaker.get_paginator("list_endpoints")
    for order in ("Ascending", "Descending"):
        sorted_pages = pages.paginate(SortBy="Status", SortOrder=order, PaginationConfig={"PageSize": 1})
        statuses = [each["EndpointStatus"] for page in sorted_pages for each in page["Endpoints"]]
        assert statuses == sorted(statuses, reverse=order == "Descending")
        assert "Failed" in statuses
    sagemaker.delete_endpoint(EndpointName="bad")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="bad")


def test_everything_is_listed_and_goes_in_any_state(sagemaker: Any, models: None):
    variants = [variant("Churn")]
    sagemaker.create_endpoint_config(EndpointConfigName="short", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="short", EndpointConfigName="short")
    assert "short" in [each["EndpointName"] for each in sagemaker.list_endpoints(NameContains="sho")["Endpoints"]]
    sagemaker.delete_endpoint(EndpointName="short")  # while it is being made
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="short")
    pages = sagemaker.get_paginator("list_models").paginate(SortBy="Name", SortOrder="Ascending", MaxResults=2)
    names = [each["ModelName"] for page in pages for each in page["Models"]]
    assert names == sorted(names)
    assert {"Churn", "Flipped", "words"} <= set(names)
    assert refusal(lambda: sagemaker.create_model(ModelName="Churn", PrimaryContainer={"Image": XGBOOST}))["Error"][
        "Message"
    ].startswith("Cannot create already existing model")
    sagemaker.delete_endpoint_config(EndpointConfigName="short")
    error = refusal(lambda: sagemaker.describe_endpoint_config(EndpointConfigName="short"))["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith("Could not find endpoint config")
