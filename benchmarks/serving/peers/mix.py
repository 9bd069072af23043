"""Twenty endpoints on one platform, some asked often and some seldom."""

import random
from collections.abc import Iterator

import httpx
from benchmarks.serving import models
from benchmarks.serving.dialects import OpenInference
from benchmarks.serving.load import Request
from benchmarks.serving.peers.base import PeerFailedError
from benchmarks.serving.peers.modelyard import CAPTURE_SHARE, Modelyard
from benchmarks.serving.works import MIX, MIX_SIZE, Artifact

_DIFFERENT_REQUESTS = 512
_SUM, _COUNT = "modelyard_inference_latency_seconds_sum", "modelyard_inference_latency_seconds_count"


class ModelyardMix(Modelyard):
    """The n-th endpoint gets a share of the requests that is proportional to 1/n (Zipf's law)."""

    name = "modelyard-mix"
    about = f"as modelyard, with {MIX_SIZE} endpoints of one worker each, popularity as 1/n"
    artifacts = (Artifact.ONNX,)

    def __init__(self, model: str, artifact: Artifact, port: int) -> None:
        super().__init__(models.mix_name(0), artifact, port)
        self.model = model
        self._samples = [models.sample(models.mix_name(index)) for index in range(MIX_SIZE)]

    @classmethod
    def takes(cls, model: str, artifact: Artifact) -> bool:
        """See Peer."""
        return model == MIX and artifact in cls.artifacts

    def provide(self) -> None:
        """See Modelyard."""
        for index in range(MIX_SIZE):
            name = models.mix_name(index)
            version = self.client.models.register(name, models.artifact(name, 1, "onnx"))
            self.client.endpoints.deploy(name, version.ref, capture_share=CAPTURE_SHARE, wait=False)
        for index in range(MIX_SIZE):
            self.client.endpoints.wait(models.mix_name(index))
        tensor = version.manifest.signature.inputs[0]
        self.dialect = OpenInference(tensor.name, tensor.datatype, version.manifest.signature.outputs[0].name)

    def deploy(self, version: int) -> bool:
        """See Peer: new versions are measured where there is one endpoint."""
        del version
        return False

    def ask(self, start: int, count: int) -> list[int]:
        """See Peer: each start asks another endpoint."""
        return self.dialect.decode(self.post(_path(start % MIX_SIZE), self.body(start, count)))

    def answers(self, start: int, count: int, version: int = 1) -> list[int]:
        """See Peer."""
        return self._samples[start % MIX_SIZE].answers(start, count, version)

    def requests(self, rows: int) -> Iterator[Request]:
        """See Peer."""
        chance = random.Random(5)
        chosen = chance.choices(range(MIX_SIZE), [1 / (rank + 1) for rank in range(MIX_SIZE)], k=_DIFFERENT_REQUESTS)
        for number, endpoint in enumerate(chosen):
            yield Request(_path(endpoint), self.headers, self.body(number, rows))

    def slowest_ratio(self) -> float:
        """Mean latency of the slowest endpoint, as a multiple of the mean of all requests.

        Raises:
            PeerFailedError: an endpoint has answered nothing.
        """
        sums, counts = dict.fromkeys(range(MIX_SIZE), 0.0), dict.fromkeys(range(MIX_SIZE), 0.0)
        for line in httpx.get(f"{self.url}/metrics").text.splitlines():
            for index in range(MIX_SIZE):
                if f'endpoint="{models.mix_name(index)}"' in line:
                    sums[index] += float(line.split()[-1]) if line.startswith(_SUM) else 0.0
                    counts[index] += float(line.split()[-1]) if line.startswith(_COUNT) else 0.0
        if not all(counts.values()):
            raise PeerFailedError(f"an endpoint has answered nothing: {counts}")
        mean = sum(sums.values()) / sum(counts.values())
        return max(sums[index] / counts[index] for index in counts) / mean


def _path(endpoint: int) -> str:
    return f"/v2/models/{models.mix_name(endpoint)}/infer"
