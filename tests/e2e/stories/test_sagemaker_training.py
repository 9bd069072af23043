"""Long stories of SageMaker's training with boto3: models that are trained, hosted and asked."""

import json
from typing import Any

import numpy as np
import pytest

from modelyard.testing.aws.algorithms import csv
from modelyard.testing.aws.platform import AwsPlatform
from modelyard.testing.aws.training import ECR, ROLE, ended

pytestmark = pytest.mark.slow


def hosted(sagemaker: Any, runtime: Any, job: dict[str, Any], image: str, document: Any, kind: str) -> Any:
    """What an endpoint with the job's model answers."""
    name = job["TrainingJobName"]
    container = {"Image": f"{ECR}/{image}", "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)
    body = document if isinstance(document, str) else json.dumps(document)
    answer = runtime.invoke_endpoint(EndpointName=name, ContentType=kind, Body=body)
    return json.loads(answer["Body"].read())


def test_models_of_texts_series_and_anomalies_answer_as_their_containers_do(
    start, sagemaker, aws_platform: AwsPlatform
):
    runtime = aws_platform.client("sagemaker-runtime")
    rows = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    week = ", ".join(["1", "2", "3", "4", "3", "8", "9"] * 20)
    series = f'{{"start": "2026-01-01 00:00:00", "target": [{week}]}}'.encode()
    texts = b"__label__fruit red apple\n__label__colour blue sky\n" * 10
    begun = {
        "randomcutforest": ({"num_trees": "20", "feature_dim": "2"}, "text/csv;label_size=0", csv(rows, None)),
        "forecasting-deepar": ({"time_freq": "D", "prediction_length": "7", "epochs": "1"}, "json", series),
        "blazingtext": ({"mode": "supervised"}, "text/plain", texts),
        "lightgbm-regression-model": ({"num_boost_round": "30"}, "text/csv", csv(rows, rows[:, 0] * 3)),
    }
    for name, (given, kind, content) in begun.items():
        start(name, f"{name}:1", {"train": {"a": content}}, HyperParameters=given, ContentType=kind)
    jobs = {name: ended(sagemaker, name) for name in begun}
    assert {name: job["TrainingJobStatus"] for name, job in jobs.items()} == dict.fromkeys(begun, "Completed")

    def ask(name: str, document: Any, kind: str = "application/json") -> Any:
        return hosted(sagemaker, runtime, jobs[name], f"{name}:1", document, kind)

    scores = [each["score"] for each in ask("randomcutforest", "0,0\n20,20", "text/csv")["scores"]]
    assert scores[1] > 2 * scores[0]
    instance = {"start": "2026-06-01 00:00:00", "target": [1, 2, 3, 4, 3, 8, 9]}
    (forecast,) = ask("forecasting-deepar", {"instances": [instance], "configuration": {"quantiles": ["0.5"]}})[
        "predictions"
    ]
    assert forecast["mean"] == pytest.approx([1, 2, 3, 4, 3, 8, 9], abs=0.3)
    assert list(forecast["quantiles"]) == ["0.5"]
    (found,) = ask("blazingtext", {"instances": ["a red apple"], "configuration": {"k": 2}})
    assert found["label"] == ["__label__fruit", "__label__colour"]
    assert found["prob"][0] > 0.8
    low, high = ask("lightgbm-regression-model", "-2,0\n2,0", "text/csv")["prediction"]
    assert low < high


def test_what_an_algorithm_refuses_is_the_reason_of_the_failure(start, sagemaker):
    start("broken", "blazingtext:1", {"train": {"a": b"no label"}}, HyperParameters={"mode": "supervised"})
    told = ended(sagemaker, "broken")
    assert told["TrainingJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("ClientError: a, line 1 has no label")
    assert "exit code: 2" in told["FailureReason"]
