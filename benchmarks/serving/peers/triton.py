"""Triton Inference Server through PyTriton, with dynamic batching."""

import signal

from benchmarks.serving import environments
from benchmarks.serving.dialects import OpenInference
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.places import APPS


class Triton(Peer):
    """See the module."""

    name = "triton"
    about = "nvidia-pytriton, dynamic batcher, batches of up to 256"
    environment = environments.ALL["triton"]
    path = "/v2/models/model/infer"
    dialect = OpenInference()
    stop_signal = signal.SIGINT

    def commands(self) -> list[list[str]]:
        """See Peer."""
        return [[self.environment.program("python"), str(APPS / "triton_app.py"), str(self.port)]]
