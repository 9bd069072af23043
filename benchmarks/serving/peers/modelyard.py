"""Modelyard as it is shipped: `modelyard up`, a token, a model registered and deployed through the SDK, 1 % capture."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.serving import models
from benchmarks.serving.bundles import bundle_of_estimator
from benchmarks.serving.dialects import OpenInference
from benchmarks.serving.peers.base import JSON, Peer, PeerFailedError
from benchmarks.serving.processes import commands, cpu_seconds
from benchmarks.serving.works import Artifact

import modelyard
from modelyard.settings import Home

CAPTURE_SHARE = 0.01
ENDPOINT = "bench"
GATEWAY, WORKER = "gateway", "worker"
_START_SECONDS = 120.0


class Modelyard(Peer):
    """The whole platform; requests meet its gateway and one worker."""

    name = "modelyard"
    about = "`modelyard up`, token, 1 % capture, one worker with one thread; gateway and worker are two processes"
    group = "modelyard"
    path = f"/v2/models/{ENDPOINT}/infer"

    def __init__(self, model: str, artifact: Artifact, port: int) -> None:
        super().__init__(model, artifact, port)
        self.home = self.folder / "home"
        self.cold_start_seconds: float | None = None
        self._client: modelyard.Client | None = None
        self.token = ""

    @property
    def client(self) -> modelyard.Client:
        """The platform's SDK client, once it has started."""
        if self._client is None:
            raise PeerFailedError("the platform has not been started")
        return self._client

    @property
    def headers(self) -> Mapping[str, str]:
        """See Peer."""
        return {"Content-Type": JSON, "Authorization": f"Bearer {self.token}"}

    def commands(self) -> list[list[str]]:
        """See Peer."""
        return [[sys.executable, "-m", "modelyard.server.up", "--home", str(self.home), "--port", str(self.port)]]

    def wait(self) -> float:
        """See Peer: the platform starts, then the model is registered and deployed."""
        self.connect()
        self.provide()
        return super().wait()

    def connect(self) -> None:
        """Wait for the platform and connect to it."""
        deadline = time.monotonic() + _START_SECONDS
        while "is ready" not in self.output():
            if self.tree.has_ended or time.monotonic() > deadline:
                raise PeerFailedError(f"the platform did not start: {self.output()[-600:]}")
            time.sleep(0.05)
        self.token = (self.home / "admin.token").read_text().strip()
        self._client = modelyard.Client(home=self.home, token=self.token)

    def provide(self) -> None:
        """Register both versions, deploy the first."""
        for version in models.VERSIONS:
            registered = self.client.models.register(ENDPOINT, self.registrable(version))
        tensor = registered.manifest.signature.inputs[0]
        self.dialect = OpenInference(tensor.name, tensor.datatype, registered.manifest.signature.outputs[0].name)
        started = time.monotonic()
        self.client.endpoints.deploy(ENDPOINT, f"{ENDPOINT}:1", capture_share=CAPTURE_SHARE, wait=False)
        self._until_right(started)
        self.cold_start_seconds = time.monotonic() - started

    def registrable(self, version: int) -> Path:
        """What is registered: the ONNX file, or the estimator as skops, which is compiled at registration."""
        return models.artifact(self.model, version, "onnx" if self.artifact is Artifact.ONNX else "skops")

    def deploy(self, version: int) -> bool:
        """See Peer."""
        self.client.endpoints.deploy(ENDPOINT, f"{ENDPOINT}:{version}", wait=False)
        return True

    def stop(self) -> None:
        """See Peer."""
        if self._client is not None:
            self._client.close()
        super().stop()

    def serving_pids(self) -> list[int]:
        """See Peer: the gateway and the processes with models; control only watches."""
        return [*self.pids_of("modelyard.server.gateway"), *self.model_pids()]

    def roles(self) -> Mapping[str, list[int]]:
        """See Peer: the process for models that has worked most is the worker; of one endpoint the others are spare."""
        gateways, models = self.pids_of("modelyard.server.gateway"), self.model_pids()
        busiest = max(models, key=lambda pid: cpu_seconds([pid]))
        others = [pid for pid in models if pid != busiest]
        return {GATEWAY: gateways, WORKER: [busiest], **({"others": others} if others else {})}

    def model_pids(self) -> list[int]:
        """The processes that hold models, or wait for one."""
        return [*self.pids_of("modelyard.dataplane.worker"), *self.pids_of("modelyard.dataplane.host")]

    def pids_of(self, module: str) -> list[int]:
        """The processes of this platform that run a module; workers are not their starter's children any more."""
        places = str(self.home), str(Home(self.home).sockets)
        return [pid for pid, line in commands().items() if _runs(line, module) and any(at in line for at in places)]

    def _until_right(self, started: float) -> None:
        want = self.answers(0, 1)
        while True:
            try:
                if self.ask(0, 1) == want:
                    return
            except OSError:
                pass  # not ready is what is being waited for
            if time.monotonic() - started > _START_SECONDS:
                raise PeerFailedError(f"the endpoint did not answer: {self.client.endpoints.get(ENDPOINT)}")
            time.sleep(0.005)


class ModelyardUncompiled(Modelyard):
    """The same platform with the same scikit-learn estimator that the peers run: no help from a compiler."""

    name = "modelyard-uncompiled"
    about = "as modelyard, but the estimator is served by scikit-learn itself instead of its ONNX form"
    artifacts = (Artifact.ESTIMATOR,)

    @classmethod
    def takes(cls, model: str, artifact: Artifact) -> bool:
        """See Peer: the forest is where compiling matters."""
        return model == "forest" and artifact in cls.artifacts

    def registrable(self, version: int) -> Path:
        """See Modelyard."""
        return bundle_of_estimator(models.artifact(self.model, version, "skops"), self.folder / f"bundle-{version}")


def _runs(line: str, module: str) -> bool:
    """False for the sandbox around a worker and the process that watches over it, whose command lines name it too."""
    program, _, arguments = line.partition(" ")
    return "python" in Path(program).name and arguments.startswith(f"-m {module} ")
