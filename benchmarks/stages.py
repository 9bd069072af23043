"""What the gateway and a model host spend on a request, stage by stage, with nothing between them: no socket, no wait.

Usage: python -m benchmarks.stages [CONNECTIONS [MODELS [ROUNDS]]]      (64, 1 and 300 if not given: two seconds)

Each round is a turn of the event loop under load: every connection sends a request of W1's kind, the gateway makes
batches of them, the host answers, and the gateway writes. All of it is the product's own code in one process, only the
transports are not real. The table has the least and the median of the rounds, and how many functions are called: that
count does not depend on what else the machine does.
"""

import asyncio
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import uvicorn
import uvloop
from onnx import TensorProto, helper
from uvicorn.server import ServerState

from modelyard.dataplane.captures import SpoolWriter
from modelyard.dataplane.gateway.config import Limits
from modelyard.dataplane.gateway.http.protocol import GatewayProtocol
from modelyard.dataplane.gateway.http.service import InferenceService
from modelyard.dataplane.gateway.pools.lines import Lines, _Line
from modelyard.dataplane.hosting.channels import SharedConnection
from modelyard.dataplane.hosting.hosted import HostedModel
from modelyard.dataplane.hosting.signs import HostSigns
from modelyard.protocols.open_inference.rest import OpenInferenceRest
from modelyard.runtimes.bundle import write_manifest
from modelyard.runtimes.formats.onnx import OnnxRuntime
from modelyard.testing.serving import TOKEN, endpoint, token
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard
from modelyard.types.routing import PLACE_SEPARATOR, RouteReplica, RouteVariant, RoutingTable
from modelyard.types.signatures import Signature

STAGES = ("receive", "batch", "host", "answer")
COLUMNS = 30
CAPTURE_SHARE = 0.01
_SETTLING_TURNS = 200


class Wire(asyncio.Transport):
    """One end of a connection: what is written into it lies there until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio.WriteTransport."""
        self._written.append(bytes(data))

    def take(self) -> bytes:
        """What was written since the last time."""
        written, self._written = b"".join(self._written), []
        return written

    def is_closing(self) -> bool:
        """See asyncio.BaseTransport."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""
        return {"peername": ("127.0.0.1", 5000), "sockname": ("127.0.0.1", 80)}.get(name, default)


class Platform:
    """A gateway and a model host in this process.

    Args:
        folder: for what both write.
        connections: of clients.
        models: linear ones in the host, each with an endpoint; the n-th is asked in proportion to 1/n.
    """

    def __init__(self, folder: Path, connections: int, models: int) -> None:
        bundle = folder / "bundle"
        signature = write_bundle(bundle)
        signs = HostSigns(folder, hang_seconds=60.0)
        self._models = {
            f"m{number}": HostedModel(bundle, "", number + 1, "", signs, lambda: None) for number in range(models)
        }
        for model in self._models.values():
            model.load()
        self._to_host, self._to_gateway = Wire(), Wire()
        self._host = SharedConnection(lambda place: self._models[place].served)
        self._host.connection_made(self._to_gateway)
        self._line = _Line(lambda: None)
        self._line.connection_made(self._to_host)
        self.service = InferenceService((OpenInferenceRest(),), Limits(), SpoolWriter(folder / "spool"))
        self._clients = [Wire() for _ in range(connections)]
        config = uvicorn.Config(_no_application, ws="none", lifespan="off", interface="asgi3", log_config=None)
        config.load()
        state = ServerState()
        self._protocols = [GatewayProtocol(self.service, config, state, {}) for _ in self._clients]
        for protocol, client in zip(self._protocols, self._clients, strict=True):
            protocol.connection_made(client)
        self._route(signature)
        self._requests = requests_of(list(self._models), signature.inputs[0].name)

    def _route(self, signature: Signature) -> None:
        async def connect(_lines: Lines, _socket: str) -> _Line:
            return self._line

        Lines._connect = connect  # type: ignore[method-assign] # noqa: SLF001 - what the product has no door for
        endpoints = [endpoint(name, route(name, signature), capture_share=CAPTURE_SHARE) for name in self._models]
        self.service.follow(RoutingTable(generation=1, endpoints=tuple(endpoints), tokens=(token("t", TOKEN),)))

    async def settle(self) -> None:
        """Connect, and let everything be asked so often that nothing is new any more."""
        for _ in range(_SETTLING_TURNS):
            await self.turn(lambda _: None)
        gc.collect()
        gc.freeze()

    async def turn(self, done: Callable[[str], None]) -> None:
        """One request over each connection; `done` hears of the end of each stage."""
        for protocol in self._protocols:
            protocol.data_received(next(self._requests))
        done("receive")
        await asyncio.sleep(0)  # the queues are looked into
        await asyncio.sleep(0)  # the line's burst goes out
        done("batch")
        while frames := self._to_host.take():
            self._host.data_received(frames)
            done("host")
            self._line.data_received(self._to_gateway.take())
            await asyncio.sleep(0)  # clients' answers go out
            done("answer")
            await asyncio.sleep(0)  # and what was left in the queues
            done("batch")
        self.answers = [client.take() for client in self._clients]

    def is_right(self) -> bool:
        """Whether the last turn answered every request."""
        return all(answer.startswith(b"HTTP/1.1 200") for answer in self.answers)


def write_bundle(folder: Path) -> Signature:
    """W1's kind of model: a linear classifier that tells label and probabilities."""
    chance = random.Random(1)
    weights = [chance.gauss(0, 1) for _ in range(COLUMNS)]
    classifier = helper.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        coefficients=[*(-weight for weight in weights), *weights],
        intercepts=[0.1, -0.1],
        classlabels_ints=[0, 1],
        post_transform="LOGISTIC",
    )
    normalizer = helper.make_node("Normalizer", ["scores"], ["probabilities"], domain="ai.onnx.ml", norm="L1")
    graph = helper.make_graph(
        [classifier, normalizer],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", COLUMNS])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2]),
        ],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    folder.mkdir()
    artifact = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), artifact)
    signature = OnnxRuntime().infer_signature(artifact)
    card = ModelCard(task="tabular-classification")
    kind = ArtifactFormat.ONNX
    write_manifest(folder, Manifest(artifact=artifact.name, artifact_format=kind, signature=signature, card=card))
    return signature


def route(model: str, signature: Signature) -> RouteVariant:
    """A variant whose replica lives in the host."""
    replica = RouteReplica(id=model, address=f"host{PLACE_SEPARATOR}{model}")
    return RouteVariant(name="main", model=model, number=1, weight=1.0, signature=signature, replicas=(replica,))


async def _no_application(*_: object) -> None:
    """Nothing but inference is asked for."""


def requests_of(models: list[str], tensor: str) -> Iterator[bytes]:
    """Requests of one row without end."""
    chance = random.Random(5)
    shares = [1 / (rank + 1) for rank in range(len(models))]
    made = []
    for model in chance.choices(models, shares, k=512):
        row = [round(chance.gauss(0, 2), 4) for _ in range(COLUMNS)]
        body = json.dumps({"inputs": [{"name": tensor, "datatype": "FP32", "shape": [1, COLUMNS], "data": row}]})
        head = (
            f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body.encode())
    while True:
        yield from made


@contextmanager
def counted_calls() -> Iterator[dict[str, int]]:
    """Counts calls of functions, Python's and C's, in the stage that its `stage` names."""
    counts: dict[str, int] = {"calls": 0}

    def count(_frame: object, event: str, _argument: object) -> None:
        counts["calls"] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield counts
    finally:
        sys.setprofile(None)


async def measure(folder: Path, connections: int, models: int, rounds: int) -> None:
    """Print the table."""
    platform = Platform(folder, connections, models)
    await platform.settle()
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for _ in range(rounds):
        spent = dict.fromkeys(STAGES, 0)
        before = time.perf_counter_ns()

        def done(stage: str) -> None:
            nonlocal before
            now = time.perf_counter_ns()
            spent[stage] += now - before  # noqa: B023 - it is called in this round only
            before = time.perf_counter_ns()

        await platform.turn(done)
        for stage in STAGES:
            times[stage].append(spent[stage] / connections / 1000)
    if not platform.is_right():
        raise RuntimeError(f"a request was not answered: {platform.answers}")
    calls = dict.fromkeys(STAGES, 0)
    with counted_calls() as counts:

        def add(stage: str) -> None:
            calls[stage] += counts["calls"]
            counts["calls"] = 0

        await platform.turn(add)
    print(f"{connections} connections, {models} models; us a request")
    print(f"{'stage':>8} {'least':>7} {'median':>7} {'calls':>7}")
    for stage in STAGES:
        least, middle = min(times[stage]), statistics.median(times[stage])
        print(f"{stage:>8} {least:7.2f} {middle:7.2f} {calls[stage] / connections:7.1f}")
    totals = [sum(each) for each in zip(*times.values(), strict=True)]
    print(f"{'all':>8} {min(totals):7.2f} {statistics.median(totals):7.2f} {sum(calls.values()) / connections:7.1f}")


def main() -> None:
    """See the module."""
    given = [int(word) for word in sys.argv[1:]]
    connections, models, rounds = (*given, *(64, 1, 300)[len(given) :])
    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
        uvloop.run(measure(Path(folder), connections, models, rounds))


if __name__ == "__main__":
    main()
