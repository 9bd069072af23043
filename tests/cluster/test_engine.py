"""The engine contract over a Ray cluster of one node."""

import os
import signal
from pathlib import Path

import pytest

from modelyard.engines.ray.engine import RayEngine
from modelyard.settings import Home
from modelyard.testing.engine import EngineCase, FencedEngineConformance


@pytest.fixture
def case(one_node: Home, tmp_path: Path) -> EngineCase:
    secrets = (one_node.cluster_token, one_node.root / "modelyard.db")
    secrets[1].write_text("TOPSECRET")
    secrets[1].chmod(0o600)
    work = tmp_path / "work"
    work.mkdir()
    return EngineCase(open=lambda: RayEngine(one_node), kill_supervisor=kill_host, folder=work, secrets=secrets)


def kill_host(process_id: str) -> None:
    """SIGKILL to the actor's process, as the kernel would when memory is short."""
    import ray  # not before the engine has set what Ray reads when it is imported

    namespace = next(each["namespace"] for each in ray.util.list_named_actors(True) if each["name"] == process_id)
    host = ray.get_actor(process_id, namespace=namespace)
    pid = ray.get(host.__ray_call__.remote(lambda _: os.getpid()))
    os.kill(pid, signal.SIGKILL)


class TestRayEngine(FencedEngineConformance):
    pass
