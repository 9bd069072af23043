"""What a second gateway brings on this machine: rate, CPU time and batches of one and of several, side by side.

Usage: python -m benchmarks.gateways [GATEWAYS [WORKERS [ROUNDS]]]      (2, 1 and 5 if not given: about a minute)

Real gateways and workers with a model that gives its input back, so that the gateway is the limit if anything is. wrk
loads them over 64 connections from one thread on the same machine. Rounds take turns, so that neighbours disturb both.
"""

import json
import re
import statistics
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reloads import request
from benchmarks.serving.load import Load, apply_load, ensure_wrk, write_requests

from modelyard.testing.same_model import same_bundle
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.signatures import DataType, TensorSpec

CONNECTIONS = 64
ROUND_SECONDS = 4.0


@dataclass(frozen=True)
class Side:
    """So many gateways, running."""

    gateways: int
    serving: Serving
    pids: list[int]

    def load(self) -> Load:
        """One round."""
        file = self.serving.folder / "requests"
        return apply_load(
            self.serving.url, file, connections=CONNECTIONS, seconds=ROUND_SECONDS, pids=lambda: self.pids
        )

    def mean_batch(self) -> float:
        """Requests in a batch since the start, over all gateways."""
        with urllib.request.urlopen(f"{self.serving.url}/metrics") as answer:
            text = answer.read().decode()
        batches, requests = (
            float(re.findall(rf"^modelyard_inference_{name}_total\{{.*?\}} (\S+)", text, re.MULTILINE)[0])
            for name in ("batches", "batched_requests")
        )
        return requests / batches


def start(stack: ExitStack, gateways: int, workers: int) -> Side:
    """Gateways, workers, and the requests for them."""
    serving = stack.enter_context(Serving(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
    bundle = same_bundle(serving.folder / "bundle", TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 30)))
    processes = [serving.start_worker(f"w-{n}", bundle) for n in range(workers)]
    started = serving.start_gateways(gateways) if gateways > 1 else [serving.start_gateway()]
    serving.publish(endpoint("model", variant(*processes)))
    write_requests(serving.folder / "requests", [request(row) for row in range(64)])
    return Side(gateways, serving, [each.pid for each in started] + [each.process.pid for each in processes])


def main(gateways: int = 2, workers: int = 1, rounds: int = 5) -> None:
    """Measure and print."""
    print(ensure_wrk())
    with ExitStack() as stack:
        sides = [start(stack, number, workers) for number in (1, gateways)]
        seen: dict[int, list[Load]] = {side.gateways: [] for side in sides}
        for side in sides:
            side.load()  # warm
        for _ in range(rounds):
            for side in sides:
                seen[side.gateways].append(side.load())
        for side in sides:
            report(side, seen[side.gateways])
    rates = [statistics.median(one.rate for one in loads) for loads in seen.values()]
    print(json.dumps({"gateways": gateways, "workers": workers, "ratio_of_rates": round(rates[1] / rates[0], 2)}))


def report(side: Side, loads: list[Load]) -> None:
    """Medians over the rounds."""
    rate, p50, p99, cpu = (
        statistics.median(getattr(one, part) for one in loads) for part in ("rate", "p50_ms", "p99_ms", "cpu_us")
    )
    failed = sum(one.failures for one in loads)
    print(
        f"{side.gateways} gateway(s): {rate:8,.0f}/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, {cpu:.0f} us CPU a request, "
        f"{side.mean_batch():.1f} requests a batch, {failed} failed"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
