"""A gateway with scripted workers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.dataplane.gateway.config import Limits
from modelyard.testing.scripted_model import start_scripted
from modelyard.testing.serving import Serving, endpoint, variant


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One gateway for a module's tests, with one worker behind endpoint "echo"; limits small enough to reach."""
    limits = Limits(
        max_request_bytes=1 << 20, header_seconds=1.0, receive_seconds=2.0, idle_seconds=30.0, hold_seconds=0.5
    )
    with Serving(tmp_path_factory.mktemp("gateway"), limits) as serving:
        worker = start_scripted(serving, "echo-1")
        serving.start_gateway()
        serving.publish(endpoint("echo", variant(worker)))
        yield serving


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """A gateway of the test's own, with the limits that it asks for."""
    started: list[Serving] = []

    def start_gateway(**limits: float) -> Serving:
        serving = Serving(tmp_path, Limits(**limits))
        started.append(serving)
        serving.start_gateway()
        return serving

    yield start_gateway
    for serving in started:
        serving.close()
