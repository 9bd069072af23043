"""What `modelyard endpoints plan` predicts against what a client of the real gateway measures, at several loads.

Usage: python benchmarks/planning.py [SECONDS] [REPETITIONS] [LOADS]   (20, 5 and 0.3,0.5,0.7,0.8 if not given)

One replica serves a small convolutional network of a few milliseconds. The client is open: requests come by a Poisson
process whether or not the earlier ones were answered, and a latency counts from the moment at which it was due. At high
load the p99 of few requests says little: of 1,600 at load 0.8 it varies by a factor of two from run to run. So each
repetition measures the version anew, asks for a plan at each load and drives it, and the table shows medians over the
repetitions with their extremes. Run it on a quiet machine: where the plan finds the host saturated, or it became so
while the client measured, that repetition of the load is left out, and counted.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import httptools
import numpy as np
import onnx
import uvloop
from onnx import TensorProto, helper, numpy_helper

import modelyard
from modelyard.kit.host import HostLoad, observe_host
from modelyard.quickstart.platform import start_platform, stop_platform

NAME = "network"
TOLERANCE = 0.25
CONNECTIONS = 512
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pair:
    """One repetition of one load: the p50 and p99 in ms that the plan said, and those that the client measured."""

    predicted: tuple[float, float]
    measured: tuple[float, float]


def main(seconds: float, repetitions: int, loads: Sequence[float]) -> None:
    """Start, deploy, compare, stop."""
    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
        home = Path(folder) / "home"
        start_platform(home)
        try:
            with modelyard.Client(home=home) as client:
                client.models.register(NAME, write_network(Path(folder) / "network.onnx"))
                client.endpoints.deploy(NAME, NAME, capture_share=0.0)
                token = (home / "admin.token").read_text().strip()
                compare(client, token, seconds, repetitions, loads)
        finally:
            stop_platform(home)


def compare(client: modelyard.Client, token: str, seconds: float, repetitions: int, loads: Sequence[float]) -> None:
    """A line for each load; all loads at the rates that the first plan's capacity gives."""
    first = client.endpoints.plan(NAME, requests_per_second=1, replicas=1)
    if first.prediction is None:
        print(first.reason)
        return
    capacity = first.prediction.capacity
    print(f"one row {first.curve[0].mean_seconds * 1000:.2f} ms, capacity {capacity:.0f} requests/s of one replica")
    pairs: dict[float, list[Pair]] = {load: [] for load in loads}
    for _ in range(repetitions):
        is_measured_anew = True
        for load in loads:
            rate = capacity * load
            plan = client.endpoints.plan(NAME, requests_per_second=rate, replicas=1, is_measured_anew=is_measured_anew)
            is_measured_anew = False
            expected = plan.prediction
            if expected is None or expected.p99_ms is None or expected.p50_ms is None:
                continue
            try:
                latencies, host = uvloop.run(drive(client.url, token, rate, int(rate * seconds)))
            except OverrunError:
                continue
            if host is None or not host.saturation:
                p50, p99 = (
                    float(value) * 1000 for value in np.quantile(latencies[len(latencies) // 10 :], [0.5, 0.99])
                )
                pairs[load].append(Pair((expected.p50_ms, expected.p99_ms), (p50, p99)))
    print(f"{'load':>5} {'req/s':>7} {'p50 ms: plan':>13} {'client':>7} {'p99 ms: plan':>22} {'client':>22} {'off':>6}")
    for load, found in pairs.items():
        print(line(load, capacity * load, found, repetitions))


def line(load: float, rate: float, found: list[Pair], repetitions: int) -> str:
    """Medians, and in brackets the extremes; what the plan's median p99 is off from the client's."""
    if not found:
        return f"{load:5.1f} {rate:7.0f} the host was saturated in all {repetitions} repetitions"
    p50, p99 = [median(each.predicted[i] for each in found) for i in (0, 1)]
    client50, client99 = [median(each.measured[i] for each in found) for i in (0, 1)]
    off = p99 / client99 - 1
    return (
        f"{load:5.1f} {rate:7.0f} {p50:13.2f} {client50:7.2f} {spread(p99, [each.predicted[1] for each in found]):>22} "
        f"{spread(client99, [each.measured[1] for each in found]):>22} {off:+6.0%}"
        + (f"  off by more than {TOLERANCE:.0%}" if abs(off) > TOLERANCE else "")
        + (f"  ({len(found)} of {repetitions})" if len(found) < repetitions else "")
    )


def spread(middle: float, values: list[float]) -> str:
    """The middle and the extremes."""
    return f"{middle:.2f} [{min(values):.1f}, {max(values):.1f}]"


async def drive(url: str, token: str, rate: float, count: int) -> tuple[np.ndarray, HostLoad | None]:
    """Latencies in seconds of `count` requests at `rate`, and the machine's load meanwhile.

    A thread keeps the time: the loop's own timers and its clock know whole milliseconds only, a third of an answer.
    """
    loop = asyncio.get_running_loop()
    client = await OpenClient.connected(url, message(token), count)
    watching = loop.run_in_executor(None, observe_host, count / rate)
    due = time.perf_counter() + 0.1 + np.cumsum(np.random.default_rng(7).exponential(1 / rate, count))

    def keep_time() -> None:
        for number, at in enumerate(due.tolist()):
            if (pause := at - time.perf_counter()) > 0:
                time.sleep(pause)
            loop.call_soon_threadsafe(client.ask, number)

    await loop.run_in_executor(None, keep_time)
    await asyncio.wait_for(client.over.wait(), PATIENCE_SECONDS)
    if client.is_overrun:
        raise OverrunError
    if client.failure:
        raise RuntimeError(client.failure)
    client.close()
    return client.ends - due, await watching


class OverrunError(Exception):
    """Requests came faster than they were answered: something else had the machine."""


class OpenClient:
    """Asks whenever it is told to, however many answers it waits for.

    Attributes:
        ends: when each request was answered, by `time.perf_counter()`.
        over: set when all are.
        failure: what one was answered instead.
        is_overrun: whether more requests were unanswered at once than there are connections.
    """

    def __init__(self, request: bytes, count: int) -> None:
        self.ends = np.zeros(count)
        self.over = asyncio.Event()
        self.failure = ""
        self.is_overrun = False
        self._request = request
        self._unanswered = count
        self._all: list[Connection] = []
        self._free: deque[Connection] = deque()

    @classmethod
    async def connected(cls, url: str, request: bytes, count: int) -> "OpenClient":
        """A client of the gateway at `url` for `count` times the same request."""
        loop, client = asyncio.get_running_loop(), cls(request, count)
        host, _, port = url.removeprefix("http://").partition(":")
        for _ in range(CONNECTIONS):
            client._all.append((await loop.create_connection(lambda: Connection(client), host, int(port)))[1])
        client._free.extend(client._all)
        return client

    def ask(self, number: int) -> None:
        """Send the request for the `number`-th time."""
        if self._free:
            self._free.popleft().ask(number, self._request)
        else:
            self.is_overrun = True
            self.over.set()

    def answered(self, connection: "Connection", number: int, status: int) -> None:
        """An answer has come."""
        self.ends[number] = time.perf_counter()
        self._free.append(connection)
        self._unanswered -= 1
        if status != 200:
            self.fail(f"an answer was {status}")
        elif not self._unanswered:
            self.over.set()

    def fail(self, reason: str) -> None:
        """Nothing that is measured counts any more."""
        self.failure = self.failure or reason
        self.over.set()

    def close(self) -> None:
        """Disconnect."""
        for connection in self._all:
            connection.close()


class Connection(asyncio.Protocol):
    """A keep-alive connection with one request at a time."""

    def __init__(self, client: OpenClient) -> None:
        self._client = client
        self._parser = httptools.HttpResponseParser(self)
        self._number = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._parser.feed_data(data)

    def ask(self, number: int, request: bytes) -> None:
        """Send; the client hears of the answer."""
        self._number = number
        self._transport.write(request)

    def on_message_complete(self) -> None:
        """See httptools."""
        status, self._parser = self._parser.get_status_code(), httptools.HttpResponseParser(self)
        self._client.answered(self, self._number, status)

    def close(self) -> None:
        """Disconnect."""
        self._transport.close()


def message(token: str) -> bytes:
    """A whole request of one row."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 30], "data": [0.1] * 30}
    body = json.dumps({"inputs": [tensor]}).encode()
    head = (
        f"POST /v2/models/{NAME}/infer HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def write_network(path: Path) -> Path:
    """30 numbers, spread over an image of 32 x 32, six convolutions, one number: its time grows with every row."""
    rng = np.random.default_rng(0)
    channels = (3, 32, 32, 32, 32, 32, 32)
    weights = {"spread": rng.normal(0, 0.1, (30, 3 * 32 * 32)), "head": rng.normal(0, 0.1, (32, 1))}
    weights |= {
        f"kernel{i}": rng.normal(0, 0.1, (after, before, 3, 3)) for i, (before, after) in enumerate(pairwise(channels))
    }
    nodes = [
        helper.make_node("MatMul", ["x", "spread"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["image0"]),
    ]
    for i in range(len(channels) - 1):
        nodes.append(helper.make_node("Conv", [f"image{i}", f"kernel{i}"], [f"conv{i}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"conv{i}"], [f"image{i + 1}"]))
    nodes += [
        helper.make_node("GlobalAveragePool", [f"image{len(channels) - 1}"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "head"], ["y"]),
    ]
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    constants.append(numpy_helper.from_array(np.array([-1, 3, 32, 32]), "shape"))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 30])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])]
    graph = helper.make_graph(nodes, NAME, inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


if __name__ == "__main__":
    given = sys.argv[1:]
    for_seconds, times, at_loads = (*given, *("20", "5", "0.3,0.5,0.7,0.8")[len(given) :])
    main(float(for_seconds), int(times), [float(load) for load in at_loads.split(",")])
