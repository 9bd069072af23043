"""A real Podman for every test here, and images that were made on this machine."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.engines.containers.engine import ContainerEngine
from modelyard.settings import Home
from modelyard.testing.engine import EngineCase
from modelyard.testing.services.containers import Podman, busybox_root, podman_service

# Containers are tested where Podman is installed: `make test-containers` sees to that.
collect_ignore_glob = [] if shutil.which("podman") else ["test_*.py"]
collect_ignore = [] if shutil.which("docker-registry") else ["test_pulling.py"]


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    folder = Path(tempfile.mkdtemp(prefix="podman-"))
    with podman_service(folder / "p") as service:
        yield service
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def busybox(podman: Podman) -> str:
    """An image with a shell and nothing else."""
    podman.load("test/busybox:1", busybox_root(), "ENV FROM_THE_IMAGE=yes", 'CMD ["echo", "the image says so"]')
    return "localhost/test/busybox:1"


@pytest.fixture
def case(podman: Podman, tmp_path: Path) -> EngineCase:
    """An engine that pulls nothing, with a home of its own."""
    home = Home(tmp_path / "home")
    home.create()
    (tmp_path / "work").mkdir()
    return EngineCase(
        open=lambda: ContainerEngine(home, socket=podman.socket, may_pull=False),
        kill_supervisor=lambda _: None,
        folder=tmp_path / "work",
    )
