"""A platform for the stories of SageMaker's training jobs, one per file, and what they start them with."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelyard.testing.aws.platform import AwsPlatform
from modelyard.testing.aws.training import TrainingJobs


@pytest.fixture(scope="module")
def aws_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsPlatform]:
    with AwsPlatform(tmp_path_factory.mktemp("sagemaker") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def s3(aws_platform: AwsPlatform) -> Any:
    return aws_platform.client("s3")


@pytest.fixture(scope="module")
def sagemaker(aws_platform: AwsPlatform) -> Any:
    return aws_platform.client("sagemaker")


@pytest.fixture(scope="module")
def start(aws_platform: AwsPlatform) -> Callable[..., None]:
    """See TrainingJobs.begin."""
    return TrainingJobs(aws_platform).begin


@pytest.fixture(scope="module")
def logged(aws_platform: AwsPlatform) -> Callable[[str], str]:
    """`logged(name)` is what CloudWatch's logs have of a training job."""
    logs = aws_platform.client("logs")

    def read(name: str) -> str:
        found = logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")
        return "\n".join(event["message"] for event in found["events"])

    return read
