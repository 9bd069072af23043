"""The limit of the server library: the same payload straight back, no model, no token, no records."""

import sys

from benchmarks.serving.dialects import OpenInference
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.places import APPS
from benchmarks.serving.works import Artifact


class Echo(Peer):
    """See the module."""

    name = "echo"
    about = "asyncio protocol on uvloop with httptools, no model: the body comes back"
    artifacts = (Artifact.ESTIMATOR, Artifact.ONNX)
    group = "limit"
    path = "/v2/models/echo/infer"
    dialect = OpenInference(input_name="numeric")

    def commands(self) -> list[list[str]]:
        """See Peer."""
        return [[sys.executable, str(APPS / "echo.py"), str(self.port)]]

    def ask(self, start: int, count: int) -> list[int]:
        """See Peer: right is what comes back unchanged."""
        body = self.body(start, count)
        return self.sample.answers(start, count) if self.post(self.path, body) == body else []
