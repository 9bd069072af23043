"""KServe's Python server. Its batcher is a sidecar of a Kubernetes pod and no part of the package."""

from benchmarks.serving import environments
from benchmarks.serving.dialects import OpenInference
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.places import APPS


class KServe(Peer):
    """See the module."""

    name = "kserve"
    about = "kserve.Model over Open Inference; its batcher exists in Kubernetes only"
    environment = environments.ALL["kserve"]
    path = "/v2/models/model/infer"
    dialect = OpenInference()

    def commands(self) -> list[list[str]]:
        """See Peer."""
        return [[self.environment.program("python"), str(APPS / "kserve_app.py"), str(self.port)]]
