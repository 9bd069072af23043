"""One platform for all files that a worker of the tests runs, and clients with a key of it: `aws("sagemaker")`.

So every file has names of its own: buckets, models, endpoints and jobs of other files may be there before and after.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelyard.testing.aws.platform import AwsPlatform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsPlatform]:
    """`modelyard up` in a folder of its own; every answer that a client gets is checked against its output shape."""
    with AwsPlatform(tmp_path_factory.mktemp("aws") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def aws(platform: AwsPlatform) -> Callable[..., Any]:
    """Makes boto3 clients: `aws("sts")`, `aws("s3", key=..., config=...)`."""
    return platform.client
