"""A platform per file, and boto3 with an access key of it. `aws("sagemaker")` is a client."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelyard.testing.aws.platform import AwsPlatform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsPlatform]:
    """`modelyard up` in a folder of its own; every answer that a client gets is checked against its output shape."""
    with AwsPlatform(tmp_path_factory.mktemp("aws") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def aws(platform: AwsPlatform) -> Callable[..., Any]:
    """Makes boto3 clients: `aws("sts")`, `aws("s3", key=..., config=...)`."""
    return platform.client
