"""A whole platform whose jobs, model hosts and workers run in containers, started as a user starts it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from modelyard.engines.containers.sockets import open_client
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program
from modelyard.testing.services.containers import Podman
from modelyard.types.processes import SandboxLevel

pytestmark = pytest.mark.slow


@pytest.fixture
def program(podman: Podman, tmp_path: Path) -> Iterator[Program]:
    environment = {"MODELYARD_ENGINE": "container", "MODELYARD_CONTAINER_SOCKET": podman.socket}
    program = Program(tmp_path / "home", "modelyard.server.up", environment=environment)
    try:
        program.start("--port", "0")
        yield program
    finally:
        program.end()


def containers(podman: Podman) -> list[str]:
    with closing(open_client(podman.socket)) as docker:
        return [str(container.name) for container in docker.containers.list(all=True, ignore_removed=True)]


def test_a_model_is_trained_deployed_and_asked_in_containers_and_none_is_left(
    program: Program, podman: Podman, tmp_path: Path
):
    rows = np.random.default_rng(1).normal(size=(400, 3)).round(3)
    lines = [f"{row[0]},{row[1]},{row[2]},{row @ [1, 10, 100]:.3f}" for row in rows]
    (tmp_path / "houses.csv").write_text("\n".join(["rooms,area,age,price", *lines]))
    with Client(program.ready(), program.token) as client:
        client.datasets.upload("houses", tmp_path / "houses.csv")
        job = client.jobs.train("linear-regression", "houses", target="price", model="houses", wait=True)
        assert job.sandbox == SandboxLevel.CONTAINER, job
        client.endpoints.deploy("houses", "houses", wait=True)
        (answer,) = client.predict("houses", {"rooms": 1.0, "area": 2.0, "age": 3.0})
        assert answer.value == pytest.approx(321, abs=5)
        (replica,) = client.endpoints.get("houses").replicas
        assert replica.sandbox == SandboxLevel.CONTAINER, replica
        assert containers(podman)
    assert program.stop() == 0
    assert containers(podman) == []
