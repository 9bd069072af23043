"""Multi-model endpoints and containers in a row with boto3, on a whole platform: the answers are XGBoost's own."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import xgboost
from botocore.exceptions import ClientError

from modelyard.testing.aws.archives import tar_gz
from modelyard.testing.aws.platform import AwsPlatform
from modelyard.testing.programs import until

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
XGBOOST = f"{ECR}/sagemaker-xgboost:1.7-1"
SKLEARN = f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "models"
MEANS, SCALES = [1.0, -2.0, 0.5, 3.0], [2.0, 0.5, 4.0, 1.5]
ROWS = np.array([[1, 1, 0, 0], [-1, -1, 0, 0], [0.5, -1, 2, 3]], np.float32)
SCALER = """
import json

def model_fn(model_dir):
    with open(model_dir + "/scaler.json") as file:
        return json.load(file)

def transform_fn(model, body, content_type, accept):
    if accept != "text/csv":
        raise ValueError("asked for " + accept)
    lines = []
    for line in body.decode().splitlines() if isinstance(body, bytes) else body.splitlines():
        cells = zip(line.split(","), model["means"], model["scales"], strict=True)
        lines.append(",".join(repr((float(cell) - mean) / scale) for cell, mean, scale in cells))
    return "\\n".join(lines), "text/csv"
"""


def booster(seed: int) -> xgboost.Booster:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    y = x @ rng.normal(size=4)
    return xgboost.train({"objective": "reg:squarederror", "max_depth": 2, "nthread": 1}, xgboost.DMatrix(x, y), 5)


def model_archive(seed: int) -> bytes:
    return tar_gz({"xgboost-model": bytes(booster(seed).save_raw("ubj"))})


def expected(seed: int, rows: Any = ROWS) -> Any:
    return pytest.approx([float(value) for value in booster(seed).predict(xgboost.DMatrix(rows))], abs=1e-5)


class World:
    """A platform with a bucket, and its clients. Two models of an endpoint are loaded at a time."""

    def __init__(self, platform: AwsPlatform) -> None:
        self.platform = platform
        self.sagemaker = platform.client("sagemaker")
        self.runtime = platform.client("sagemaker-runtime")
        self.s3 = platform.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes) -> str:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def serve(self, name: str) -> None:
        """An endpoint of this name, with the model of this name."""
        variant = {"VariantName": "All", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)

    def ask(self, name: str, **more: Any) -> list[float]:
        body = "\n".join(",".join(str(cell) for cell in row) for row in ROWS.tolist())
        request = {"EndpointName": name, "ContentType": "text/csv", "Accept": "text/csv", "Body": body, **more}
        answer = self.runtime.invoke_endpoint(**request)
        assert answer["InvokedProductionVariant"] == "All"
        return [float(line) for line in answer["Body"].read().decode().split()]

    def refusal(self, name: str, **more: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as refused:
            self.ask(name, **more)
        return dict(refused.value.response)

    def own_endpoints(self) -> set[str]:
        """What the platform itself has of endpoints."""
        listed = self.platform.rest("GET", "/operations/v1/projects/default/endpoints")["items"]
        return {each["name"] for each in listed}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("aws") / "home"
    with AwsPlatform(home, {"MODELYARD_MULTI_MODEL_LIMIT": "2"}) as platform:
        platform.allow_code()
        yield World(platform)


def test_every_object_below_a_prefix_is_a_model_of_a_multi_model_endpoint(world: World):
    world.put("many/one.tar.gz", model_archive(1))
    world.put("many/deep/two.tar.gz", model_archive(2))
    container = {"Image": XGBOOST, "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/many/"}
    world.sagemaker.create_model(ModelName="many", PrimaryContainer=container)
    world.serve("many")
    assert world.ask("many", TargetModel="one.tar.gz") == expected(1)
    assert world.ask("many", TargetModel="deep/two.tar.gz") == expected(2)
    world.put("many/one.tar.gz", model_archive(4))
    assert world.ask("many", TargetModel="one.tar.gz") == expected(1), "what is loaded stays as it was loaded"

    world.put("many/three.tar.gz", model_archive(3))
    assert world.ask("many", TargetModel="three.tar.gz") == expected(3), "a new object can be asked at once"
    until(lambda: len(world.own_endpoints()) == 2, "two models are loaded")
    assert world.ask("many", TargetModel="deep/two.tar.gz") == expected(2), "what had to go comes back"

    for target, code, words in (
        ({"TargetModel": "nothing.tar.gz"}, "ValidationError", "Failed to download model data"),
        ({}, "ValidationError", "missing a target model header"),
    ):
        error = world.refusal("many", **target)
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, 400)
        assert words in error["Error"]["Message"]
    world.put("many/broken.tar.gz", b"no archive")
    error = world.refusal("many", TargetModel="broken.tar.gz")
    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 500)
    assert "cannot be unpacked" in error["OriginalMessage"]
    world.put("many/broken.tar.gz", model_archive(5))
    assert world.ask("many", TargetModel="broken.tar.gz") == expected(5), "a repaired one is tried again"

    world.sagemaker.delete_endpoint(EndpointName="many")
    world.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="many")
    assert world.refusal("many", TargetModel="one.tar.gz")["Error"]["Code"] == "ValidationError"
    until(lambda: not world.own_endpoints(), "nothing of it is left")


def test_a_scaler_and_xgboost_in_a_row_answer_as_computed_by_hand(world: World):
    numbers = json.dumps({"means": MEANS, "scales": SCALES}).encode()
    scaler = world.put("scaler.tar.gz", tar_gz({"code/inference.py": SCALER.encode(), "scaler.json": numbers}))
    booster_url = world.put("booster.tar.gz", model_archive(7))
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}
    containers = [
        {"Image": SKLEARN, "ModelDataUrl": scaler, "ContainerHostname": "Scaler", "Environment": environment},
        {"Image": XGBOOST, "ModelDataUrl": booster_url},
    ]
    world.sagemaker.create_model(ModelName="Row", Containers=containers)
    world.serve("Row")
    scaled = (ROWS - np.array(MEANS, np.float32)) / np.array(SCALES, np.float32)
    assert world.ask("Row") == expected(7, scaled)
    assert world.ask("Row") != expected(7)
    described = world.sagemaker.describe_endpoint(EndpointName="Row")["ProductionVariants"]
    assert [each["CurrentInstanceCount"] for each in described] == [1]

    error = world.refusal("Row", Body="1,2,nonsense,4")
    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 500)
    assert "from Scaler with message" in error["Error"]["Message"]
    assert "nonsense" in error["OriginalMessage"]
    assert "is not a multi-model endpoint" in world.refusal("Row", TargetModel="Scaler")["Error"]["Message"]

    with pytest.raises(ClientError, match="do not answer in parts: use InvokeEndpoint"):
        world.runtime.invoke_endpoint_with_response_stream(EndpointName="Row", ContentType="text/csv", Body="1,2,3,4")

    world.sagemaker.create_model(ModelName="Each", Containers=containers, InferenceExecutionConfig={"Mode": "Direct"})
    world.serve("Each")
    assert world.ask("Each", TargetContainerHostname="container-2") == expected(7)
    assert "Scaler, container-2" in world.refusal("Each")["Error"]["Message"]
    for name in ("Row", "Each"):
        world.sagemaker.delete_endpoint(EndpointName=name)
    until(lambda: not world.own_endpoints(), "nothing of it is left")
