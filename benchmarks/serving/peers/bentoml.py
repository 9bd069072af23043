"""BentoML with its adaptive batching."""

from collections.abc import Mapping

from benchmarks.serving import environments
from benchmarks.serving.dialects import Instances
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.places import APPS


class BentoMl(Peer):
    """See the module."""

    name = "bentoml"
    about = "service with a batchable API, 256 rows, max_latency_ms 1000"
    environment = environments.ALL["bentoml"]
    dialect = Instances(answer_name="")

    def commands(self) -> list[list[str]]:
        """See Peer."""
        place = ["--working-dir", str(APPS), "--host", "127.0.0.1", "--port", str(self.port)]
        return [[self.environment.program("bentoml"), "serve", "bentoml_app:Predictor", *place]]

    def variables(self) -> Mapping[str, str]:
        """See Peer."""
        return {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(self.folder / "home")}
