"""What the process boundary between gateway and model costs: a gateway with its model outside, as it ships, and inside.

Usage: python -m benchmarks.inside [ROUNDS [SECONDS]]      (3 and 2 if not given: about two minutes)

The model is the linear one of W1, compiled, one row a request. Inside means that the gateway calls it on its own event
loop at the next turn, through the same frames; only the socket and the second process are gone. So a crash, a hang or a
leak of the model would be the gateway's, which is why it does not ship. Rounds take turns.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from benchmarks.reloads import request
from benchmarks.serving.load import Load, apply_load, ensure_wrk, write_requests
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from modelyard.dataplane.frames import FrameReader
from modelyard.dataplane.gateway.pools.replica import ReplicaLink
from modelyard.dataplane.served_model import ServedModel
from modelyard.runtimes.bundle import load_bundle, nan_free_of, write_manifest
from modelyard.runtimes.catalog import runtime_for
from modelyard.server import gateway
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard

CONNECTIONS = (1, 16, 64)
COLUMNS = 30


class Inside:
    """Both ends of a connection in one process: what a link sends is answered at the next turn of the loop."""

    channel = 0
    is_busy = False

    def __init__(self, link: ReplicaLink, model: ServedModel) -> None:
        self._link = link
        self._model = model
        self._asked, self._answered = FrameReader(), FrameReader()
        self.closed = asyncio.Event()
        asyncio.get_running_loop().call_soon(model.connected, self)

    def send(self, frame: bytes, _frame_id: int = 0) -> None:
        """From the model to the link, and, with an id, from the link to the model."""
        if _frame_id:
            asyncio.get_running_loop().call_soon(self._ask, frame)
            return
        for header, body in self._answered.feed(frame):
            self._link.frame_received(header, body)

    def tell(self, frame: bytes) -> None:
        """See ReplicaLink."""
        self._ask(frame)

    def close(self) -> None:
        """See ReplicaLink."""
        self.closed.set()

    abort = close

    def _ask(self, frame: bytes) -> None:
        for header, body in self._asked.feed(frame):
            self._model.received(self, header, body)


def serve_inside(config: str, bundle: str) -> int:
    """The gateway, with the model in it whatever address the routing table names."""
    manifest, predictor = load_bundle(Path(bundle), threads=1)
    model = ServedModel(manifest.signature, predictor, is_pure=manifest.is_pure, nan_free=nan_free_of(Path(bundle)))

    async def connect(link: ReplicaLink) -> Inside:
        connection = Inside(link, model)
        link._connection = connection  # type: ignore[assignment] # noqa: SLF001 - what the product has no door for
        return connection

    ReplicaLink._connect = connect  # type: ignore[method-assign, assignment] # noqa: SLF001
    return gateway.main(["--config", config])


class GatewayWithModel(Serving):
    """Serving whose gateway has the model in it."""

    bundle = Path()

    def _start(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:  # type: ignore[override]
        if name == "gateway":
            arguments = ["-m", "benchmarks.inside", "--config", arguments[-1], str(self.bundle)]
        return super()._start(name, arguments)


def linear_bundle(folder: Path) -> Path:
    """W1's kind of model."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(500, COLUMNS)).astype(np.float32)
    model = LogisticRegression(max_iter=1000).fit(rows, rows[:, 0] + rows[:, 1] > 0)
    folder.mkdir()
    artifact = folder / "model.onnx"
    artifact.write_bytes(to_onnx(model, rows[:1], options={"zipmap": False}).SerializeToString())
    signature = runtime_for(ArtifactFormat.ONNX).infer_signature(artifact)
    manifest = Manifest(
        artifact=artifact.name,
        artifact_format=ArtifactFormat.ONNX,
        signature=signature,
        card=ModelCard(task="tabular-classification"),
    )
    write_manifest(folder, manifest)
    return folder


def start(stack: ExitStack, *, is_inside: bool) -> tuple[Serving, list[int]]:
    """One side and the pids of what answers. Both have the worker that the routing table names; inside, it idles."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    bundle = linear_bundle(folder / "bundle")
    serving = stack.enter_context((GatewayWithModel if is_inside else Serving)(folder))
    if isinstance(serving, GatewayWithModel):
        serving.bundle = bundle
    worker = serving.start_worker("worker", bundle)
    started = serving.start_gateway()
    served = variant(worker)
    serving.publish(endpoint("model", served, capture_share=0.01))
    name = served.signature.inputs[0].name
    write_requests(folder / "requests", [request(row, name) for row in range(64)])
    return serving, [started.pid, worker.process.pid]


def main(rounds: int = 3, seconds: int = 2) -> None:
    """Measure and print."""
    print(ensure_wrk())
    with ExitStack() as stack:
        sides = {"outside": start(stack, is_inside=False), "inside": start(stack, is_inside=True)}
        for connections in CONNECTIONS:
            seen: dict[str, list[Load]] = {side: [] for side in sides}
            for _ in range(rounds):
                for side, (serving, pids) in sides.items():
                    file = serving.folder / "requests"
                    seen[side].append(
                        apply_load(
                            serving.url, file, connections=connections, seconds=seconds, pids=lambda pids=pids: pids
                        )
                    )
            for side, loads in seen.items():
                report(connections, side, loads)


def report(connections: int, side: str, loads: list[Load]) -> None:
    """Medians over the rounds."""
    rate, p50, p99, cpu = (
        statistics.median(getattr(one, part) for one in loads) for part in ("rate", "p50_ms", "p99_ms", "cpu_us")
    )
    failed = sum(one.failures for one in loads)
    print(
        f"{connections:3} connections, model {side:7}: {rate:8,.0f}/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
        f"{cpu:.0f} us CPU a request, {failed} failed"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--config"]:
        sys.exit(serve_inside(*sys.argv[2:4]))
    main(*map(int, sys.argv[1:]))
