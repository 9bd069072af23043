"""SageMaker training jobs as programs with boto3 start and await them."""

import io
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import WaiterError

from modelyard.testing.aws.archives import tar_gz
from modelyard.testing.aws.platform import AwsPlatform

ROLE = "arn:aws:iam::123456789012:role/service-role/SageMakerRole"
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
BUCKET = "jobs"

Files = Mapping[str, bytes]


class TrainingJobs:
    """Of a platform whose project permits code from then on, with BUCKET, which is made for them."""

    def __init__(self, platform: AwsPlatform) -> None:
        platform.allow_code()
        self._s3: Any = platform.client("s3")
        self._sagemaker: Any = platform.client("sagemaker")
        self._s3.create_bucket(Bucket=BUCKET)

    def begin(self, name: str, image: str, files: Mapping[str, Files], script: str = "", **request: Any) -> None:
        """Start a job.

        Args:
            name: of the job.
            image: in the registry ECR.
            files: contents by channel and file.
            script: what it runs, instead of an algorithm.
            request: members of the request, in the place of the usual ones, and ContentType and Distribution of the
                channels.
        """
        hyperparameters = dict(request.pop("HyperParameters", {}))
        if script:
            where = self._put(f"{name}/source.tar.gz", tar_gz({"train.py": script.encode()}))
            hyperparameters |= {"sagemaker_program": "train.py", "sagemaker_submit_directory": where}
        kind, spread = request.pop("ContentType", "text/csv"), request.pop("Distribution", "FullyReplicated")
        for channel, contents in files.items():
            for file, body in contents.items():
                self._put(f"{name}/{channel}/{file}", body)
        channels = [
            {
                "ChannelName": channel,
                "ContentType": kind,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{BUCKET}/{name}/{channel}/",
                        "S3DataDistributionType": spread,
                    }
                },
            }
            for channel in files
        ]
        usual = {
            "AlgorithmSpecification": {"TrainingImage": f"{ECR}/{image}", "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/results"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **({"InputDataConfig": channels} if channels else {}),
        }
        self._sagemaker.create_training_job(TrainingJobName=name, HyperParameters=hyperparameters, **usual | request)

    def _put(self, key: str, body: bytes) -> str:
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"


def ended(sagemaker: Any, name: str) -> dict[str, Any]:
    """The description of a job at its end, whatever that is."""
    with suppress(WaiterError):  # it has failed: who asks looks at the reason
        sagemaker.get_waiter("training_job_completed_or_stopped").wait(
            TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
        )
    described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return described


def files_of(s3: Any, job: Mapping[str, Any]) -> dict[str, bytes]:
    """What a described job has left in its model.tar.gz."""
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        opened = {member.name: archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in opened.items() if file is not None}
