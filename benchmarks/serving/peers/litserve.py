"""LitServe with its batching."""

import signal

from benchmarks.serving import environments
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.places import APPS


class LitServe(Peer):
    """See the module."""

    name = "litserve"
    about = "LitAPI with batches of 64 within 2 ms"
    environment = environments.ALL["litserve"]
    stop_signal = signal.SIGINT

    def commands(self) -> list[list[str]]:
        """See Peer."""
        return [[self.environment.program("python"), str(APPS / "litserve_app.py"), str(self.port)]]
