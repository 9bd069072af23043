"""The engine contract over containers: this machine's programs in them, so that the whole suite runs."""

import os
import signal
from pathlib import Path

import pytest

from modelyard.engines.containers.engine import ContainerEngine
from modelyard.engines.local.records import Records
from modelyard.testing.engine import EngineCase, FencedEngineConformance, home_with_secrets
from modelyard.testing.services.containers import Podman

pytestmark = pytest.mark.slow


def make_case(root: Path, socket: str) -> EngineCase:
    home, secrets, work = home_with_secrets(root)

    def kill_supervisor(process_id: str) -> None:
        pid = Records(home.containers).holder(process_id)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    return EngineCase(
        open=lambda: ContainerEngine(home, socket=socket), kill_supervisor=kill_supervisor, folder=work, secrets=secrets
    )


class TestContainerEngine(FencedEngineConformance):
    @pytest.fixture
    def case(self, podman: Podman, tmp_path):
        return make_case(tmp_path, podman.socket)
