"""Ray Serve with its dynamic batching, on a local cluster of its own."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.serving import environments
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.places import APPS


class RayServe(Peer):
    """See the module."""

    name = "rayserve"
    about = "deployment with serve.batch of 64 within 2 ms, one replica"
    environment = environments.ALL["rayserve"]
    _ray_folder = Path()

    def commands(self) -> list[list[str]]:
        """See Peer."""
        return [[self.environment.program("python"), str(APPS / "rayserve_app.py"), str(self.port)]]

    def prepare(self) -> None:
        """See Peer: Ray's sockets need a short path."""
        self._ray_folder = Path(tempfile.mkdtemp(prefix="ray"))

    def variables(self) -> Mapping[str, str]:
        """See Peer."""
        patience = {"RAY_raylet_start_wait_time_s": "100"}  # its own 30 s are short on a busy machine
        return {"RAY_USAGE_STATS_ENABLED": "0", "RAY_FOLDER": str(self._ray_folder), **patience}

    def deploy(self, version: int) -> bool:
        """See Peer."""
        wish = self._ray_folder / "wish"
        wish.write_text(str(self.model_file(version)))
        wish.rename(self._ray_folder / "DEPLOY")
        return True

    def stop(self) -> None:
        """See Peer."""
        super().stop()
        shutil.rmtree(self._ray_folder, ignore_errors=True)
