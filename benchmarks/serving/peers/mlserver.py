"""MLServer with its adaptive batching and one inference worker, its default."""

import json

from benchmarks.serving import environments
from benchmarks.serving.dialects import OpenInference
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.works import Artifact


class MlServer(Peer):
    """See the module."""

    name = "mlserver"
    about = "SKLearnModel (ONNX: a custom runtime), adaptive batching of 64 within 2 ms, one parallel worker"
    environment = environments.ALL["mlserver"]
    path = "/v2/models/model/infer"
    dialect = OpenInference()

    def commands(self) -> list[list[str]]:
        """See Peer."""
        return [[self.environment.program("mlserver"), "start", str(self.folder)]]

    def prepare(self) -> None:
        """See Peer."""
        ports = {"http_port": self.port, "grpc_port": self.port + 1, "metrics_port": self.port + 2}
        settings = {"host": "127.0.0.1", "parallel_workers": 1, **ports}
        (self.folder / "settings.json").write_text(json.dumps(settings))
        self._choose(1)

    def deploy(self, version: int) -> bool:
        """See Peer."""
        self._choose(version)
        self.post("/v2/repository/models/model/load", b"")
        return True

    def _choose(self, version: int) -> None:
        is_onnx = self.artifact is Artifact.ONNX
        settings = {
            "name": "model",
            "implementation": "mlserver_app.OnnxModel" if is_onnx else "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(self.model_file(version)), "version": "1"},
            "max_batch_size": 64,
            "max_batch_time": 0.002,
        }
        (self.folder / "model-settings.json").write_text(json.dumps(settings))
