"""Training jobs as AWS's documentation shows them, with an unmodified boto3 against a whole platform."""

import io
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnxruntime
import pytest
import xgboost
from botocore.exceptions import ClientError
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits

from modelyard.testing.aws.archives import tar_gz
from modelyard.testing.aws.platform import AwsPlatform
from modelyard.testing.aws.training import files_of

S3_BUCKET = "course"
ROLE = "arn:aws:iam::123456789012:role/service-role/SageMakerRole"
ECR = "811284229777.dkr.ecr.us-east-1.amazonaws.com"
SCRIPTS = "683313688378.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


@pytest.fixture(scope="module")
def s3(platform: AwsPlatform) -> Any:
    """The store of the platform itself, with the bucket of these tests."""
    platform.allow_code()
    client = platform.client("s3")
    client.create_bucket(Bucket=S3_BUCKET)
    return client


@pytest.fixture(scope="module", autouse=True)
def began() -> datetime:
    """When the first of these jobs can have been created: jobs of other files are older."""
    return datetime.now(UTC)


@pytest.fixture
def sagemaker(aws: Callable[..., Any]) -> Any:
    return aws("sagemaker")


@pytest.fixture
def script(s3: Any, sagemaker: Any) -> Callable[..., None]:
    """`script(name, text, **request)` starts a training job that runs a script."""

    def start(name: str, text: str, **request: Any) -> None:
        key = f"{name}/source/sourcedir.tar.gz"
        s3.put_object(Bucket=S3_BUCKET, Key=key, Body=tar_gz({"train.py": text.encode()}))
        source = {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{S3_BUCKET}/{key}"}
        hyperparameters = source | request.pop("HyperParameters", {})
        specification = {"TrainingImage": SCRIPTS, "TrainingInputMode": "File"} | request.pop("Specification", {})
        common: dict[str, Any] = {
            "AlgorithmSpecification": specification,
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{S3_BUCKET}/results"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        }
        sagemaker.create_training_job(TrainingJobName=name, HyperParameters=hyperparameters, **common | request)

    return start


def wait(sagemaker: Any, name: str) -> dict[str, Any]:
    """The job at its end."""
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 3}
    )
    return sagemaker.describe_training_job(TrainingJobName=name)


def channel(name: str, prefix: str, content_type: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{S3_BUCKET}/{prefix}",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": content_type}


def test_the_image_classification_of_a_course_trains_until_its_waiter_returns(s3, sagemaker):
    digits = load_digits()
    for name, chosen in (("train", slice(0, 1200)), ("validation", slice(1200, None))):
        records = io.BytesIO()
        for picture, label in zip(digits.images[chosen] * 15, digits.target[chosen], strict=True):
            png = io.BytesIO()
            Image.fromarray(picture.astype(np.uint8)).save(png, "png")
            record = struct.pack("<IfQQ", 0, label, 0, 0) + png.getvalue()
            records.write(struct.pack("<II", 0xCED7230A, len(record)) + record + b"\0" * (-len(record) % 4))
        s3.put_object(Bucket=S3_BUCKET, Key=f"digits/{name}/all.rec", Body=records.getvalue())
    sagemaker.create_training_job(
        TrainingJobName="digits",
        AlgorithmSpecification={"TrainingImage": f"{ECR}/image-classification:1", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{S3_BUCKET}/output"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.p2.xlarge", "VolumeSizeInGB": 50},
        HyperParameters={
            "num_layers": "18", "image_shape": "1,8,8", "num_training_samples": "1200", "num_classes": "10",
            "mini_batch_size": "64", "epochs": "4", "learning_rate": "0.01",
        },
        StoppingCondition={"MaxRuntimeInSeconds": 360},
        InputDataConfig=[
            channel("train", "digits/train/", "application/x-recordio"),
            channel("validation", "digits/validation/", "application/x-recordio"),
        ],
    )  # fmt: skip
    began = time.monotonic()
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="digits")
    assert time.monotonic() - began < 60  # its own pace is a look every two minutes
    told = sagemaker.describe_training_job(TrainingJobName="digits")
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Completed", "Completed"), told.get("FailureReason")
    assert told["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{S3_BUCKET}/output/digits/output/model.tar.gz"
    accuracy = {each["MetricName"]: each["Value"] for each in told["FinalMetricDataList"]}["validation:accuracy"]
    model = files_of(s3, told)["model.onnx"]
    probabilities = onnxruntime.InferenceSession(model).run(
        None, {"images": (digits.images[1200:] * 15).astype(np.uint8).astype(np.float32)}
    )[0]
    measured = (probabilities.argmax(axis=1) == digits.target[1200:]).mean()
    assert measured == pytest.approx(accuracy, abs=0.01)
    assert measured > 0.9


def test_xgboost_of_any_account_and_size_trains_on_csv_and_shows_its_history(s3, sagemaker):
    features, labels = load_breast_cancer(return_X_y=True)
    content = io.BytesIO()
    np.savetxt(content, np.column_stack([labels, features]), delimiter=",")
    s3.put_object(Bucket=S3_BUCKET, Key="cancer/train.csv", Body=content.getvalue())
    sagemaker.create_training_job(
        TrainingJobName="cancer",
        AlgorithmSpecification={
            "TrainingImage": "123456789012.dkr.ecr.ap-south-1.amazonaws.com/sagemaker-xgboost:1.7-1",
            "TrainingInputMode": "File",
        },
        RoleArn=ROLE,
        HyperParameters={"objective": "binary:logistic", "num_round": "10"},
        InputDataConfig=[channel("train", "cancer/train.csv", "text/csv")],
        OutputDataConfig={"S3OutputPath": f"s3://{S3_BUCKET}/output/"},
        ResourceConfig={"InstanceCount": 2, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 86400},
        Tags=[{"Key": "team", "Value": "health"}],
    )
    told = wait(sagemaker, "cancer")
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    booster = xgboost.Booster()
    booster.load_model(bytearray(files_of(s3, told)["xgboost-model"]))
    assert ((booster.predict(xgboost.DMatrix(features)) > 0.5) == labels).mean() > 0.97
    steps = [each["Status"] for each in told["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert told["RoleArn"] == ROLE
    assert told["HyperParameters"]["num_round"] == "10"
    assert told["BillableTimeInSeconds"] >= 1


def test_a_script_reports_metrics_by_pattern_and_fails_with_its_last_lines(script, sagemaker):
    script(
        "fails",
        "print('loss=0.5;')\nprint('loss=0.25;')\nraise RuntimeError('the table has no rows')",
        Specification={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}]},
    )
    with pytest.raises(Exception, match="terminal failure state"):
        wait(sagemaker, "fails")
    told = sagemaker.describe_training_job(TrainingJobName="fails")
    assert told["TrainingJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("AlgorithmError: ")
    assert told["FailureReason"].endswith("RuntimeError: the table has no rows, exit code: 1")
    assert {each["MetricName"]: each["Value"] for each in told["FinalMetricDataList"]} == {"loss": 0.25}


WAITS = """
import signal, sys, time
from pathlib import Path

def stop(*_):
    Path("/opt/ml/model/state.txt").write_text("saved")
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
Path("/opt/ml/checkpoints/began.txt").write_text("1")
time.sleep(300)
"""


def test_a_stopped_job_has_time_to_save_its_model(script, s3, sagemaker):
    checkpoints = {"S3Uri": f"s3://{S3_BUCKET}/checkpoints/waits/"}
    script("waits", WAITS, CheckpointConfig=checkpoints)
    deadline = time.monotonic() + 60
    while not s3.list_objects_v2(Bucket=S3_BUCKET, Prefix="checkpoints/waits/").get("Contents"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    sagemaker.update_training_job(TrainingJobName="waits", ResourceConfig={"KeepAlivePeriodInSeconds": 60})
    sagemaker.stop_training_job(TrainingJobName="waits")
    told = wait(sagemaker, "waits")
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert files_of(s3, told) == {"state.txt": b"saved"}
    assert told["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 60
    for refused in (sagemaker.stop_training_job, sagemaker.update_training_job):
        with pytest.raises(ClientError, match="in status Stopped"):
            refused(TrainingJobName="waits")


def test_a_job_that_runs_too_long_is_stopped_and_keeps_its_model(script, s3, sagemaker):
    script("long", WAITS, StoppingCondition={"MaxRuntimeInSeconds": 2})
    told = wait(sagemaker, "long")
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert files_of(s3, told) == {"state.txt": b"saved"}


def test_jobs_are_listed_by_name_and_status_in_pages(sagemaker, began):
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        CreationTimeAfter=began, SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    names = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
    assert names == ["cancer", "digits", "fails", "long", "waits"]
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        CreationTimeAfter=began, SortBy="Status", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    statuses = [each["TrainingJobStatus"] for page in pages for each in page["TrainingJobSummaries"]]
    assert statuses == ["Completed", "Completed", "Failed", "Stopped", "Stopped"]
    failed = sagemaker.list_training_jobs(StatusEquals="Failed", CreationTimeAfter=began)["TrainingJobSummaries"]
    assert [each["TrainingJobName"] for each in failed] == ["fails"]
    sagemaker.delete_training_job(TrainingJobName="fails")
    assert not sagemaker.list_training_jobs(NameContains="fail")["TrainingJobSummaries"]


def test_what_cannot_run_is_refused_with_the_reason(script, sagemaker, aws, platform):
    with pytest.raises(ClientError, match="Requested resource not found") as missing:
        sagemaker.describe_training_job(TrainingJobName="nothing")
    assert missing.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="must be unique") as taken:
        script("waits", "")
    assert taken.value.response["Error"]["Code"] == "ResourceInUse"
    nobody = {"InstanceType": "ml.m5.large", "InstanceCount": 0, "VolumeSizeInGB": 1}
    with pytest.raises(ClientError, match="Set InstanceCount to 1 or more"):
        script("nobody", "", ResourceConfig=nobody)
    with pytest.raises(ClientError, match="more than one channel 'train'"):
        script("twice", "", InputDataConfig=[channel("train", "x", "text/csv")] * 2)
    limits = {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 200}
    for _ in range(2):  # a name that was refused is not taken
        with pytest.raises(ClientError, match="Invalid MaxWaitTimeInSeconds") as impatient:
            script("impatient", "", StoppingCondition=limits, EnableManagedSpotTraining=True)
        assert impatient.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="not built in here"):
        script("seq", "", HyperParameters={}, Specification={"TrainingImage": f"{ECR}/seq2seq:1"})
    script("no-data", "", InputDataConfig=[channel("train", "no/such/data", "text/csv")])
    with pytest.raises(Exception, match="terminal failure state"):
        wait(sagemaker, "no-data")
    reason = sagemaker.describe_training_job(TrainingJobName="no-data")["FailureReason"]
    assert reason.startswith("ClientError: No object of the channel 'train' begins with")


def test_a_script_of_a_second_is_done_three_seconds_after_it_was_created(script, sagemaker):
    began = time.monotonic()
    script("second", "import time; time.sleep(1)")
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="second")
    seconds = time.monotonic() - began
    told = sagemaker.describe_training_job(TrainingJobName="second")
    assert told["TrainingJobStatus"] == "Completed"
    assert seconds < 30  # a machine with much to do is slower than the three seconds that a quiet one takes
