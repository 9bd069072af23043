"""`mlflow models serve`, a worker process for each core. It has no batching."""

import json
import os
import subprocess
from collections.abc import Mapping

from benchmarks.serving import environments
from benchmarks.serving.dialects import Instances
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.works import Artifact

_SAVE_ESTIMATOR = """
import joblib, mlflow, sys
mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], serialization_format="cloudpickle")
"""
_SAVE_ONNX = """
import mlflow, onnx, sys
model = onnx.load(sys.argv[1])
del model.graph.output[1:]
mlflow.onnx.save_model(model, sys.argv[2])
"""


class _Answer(Instances):
    """Predictions, which the ONNX flavour gives as a list for each of the model's outputs."""

    def decode(self, body: bytes) -> list[int]:
        """See Dialect."""
        predictions = json.loads(body)["predictions"]
        values = next(iter(predictions.values())) if isinstance(predictions, dict) else predictions
        return [int(value) for value in values]


class MlFlow(Peer):
    """See the module."""

    name = "mlflow"
    about = "`mlflow models serve --env-manager local`, workers = cores; no batching"
    environment = environments.ALL["mlflow"]
    path = "/invocations"
    dialect = _Answer(request_name="inputs")

    def prepare(self) -> None:
        """See Peer: save the model in MLflow's form."""
        script = _SAVE_ONNX if self.artifact is Artifact.ONNX else _SAVE_ESTIMATOR
        target = str(self.folder / "model")
        command = [self.environment.program("python"), "-c", script, str(self.model_file()), target]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)

    def commands(self) -> list[list[str]]:
        """See Peer."""
        place = ["-h", "127.0.0.1", "-p", str(self.port), "-w", str(os.cpu_count() or 1)]
        options = ["-m", str(self.folder / "model"), "--env-manager", "local", *place]
        return [[self.environment.program("mlflow"), "models", "serve", *options]]

    def variables(self) -> Mapping[str, str]:
        """See Peer."""
        own = str(self.environment.folder / "bin")
        return {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": os.pathsep.join((own, os.environ["PATH"]))}
