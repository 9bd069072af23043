"""What replacing a model costs the requests that come meanwhile: p99 with and without reloads, side by side.

Usage: python -m benchmarks.reloads [RELOADS]      (1,000 if not given: about two minutes)

A real gateway, and two workers that serve two versions of a small model. A reload is a routing table with the other
version: the gateway connects to its worker, waits for its greeting, gives it the traffic and lets the old one finish.
wrk loads it over 16 connections. Rounds with and without reloads take turns, so that a busy machine disturbs both.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.serving.load import Load, Request, apply_load, ensure_wrk, write_requests

from modelyard.dataplane.routing import write_table
from modelyard.testing.same_model import same_bundle
from modelyard.testing.serving import TOKEN, Serving, endpoint, token, variant
from modelyard.types.routing import RouteVariant, RoutingTable
from modelyard.types.signatures import DataType, TensorSpec

CONNECTIONS = 16
ROUND_SECONDS = 10.0
ALLOWED = 1.5
"""How many times the p99 without reloads the p99 with them may be."""


class Reloader(threading.Thread):
    """Changes the version again and again until it is told to stop; counts."""

    def __init__(self, path: Path, versions: tuple[RouteVariant, RouteVariant], pause_seconds: float) -> None:
        super().__init__()
        self.reloads = 0
        self._path, self._versions, self._pause_seconds = path, versions, pause_seconds
        self._is_over = threading.Event()
        self._generation = 10

    def run(self) -> None:
        while not self._is_over.wait(self._pause_seconds):
            self.reloads += 1
            self._generation += 1
            publish(self._path, self._versions[self.reloads % 2], self._generation)

    def end(self) -> int:
        """How many reloads there were."""
        self._is_over.set()
        self.join()
        return self.reloads


def publish(path: Path, version: RouteVariant, generation: int) -> None:
    """Give all traffic to a version."""
    table = RoutingTable(generation=generation, endpoints=(endpoint("model", version),), tokens=(token("test", TOKEN),))
    write_table(path, table)


def main(reloads: int) -> int:
    """Measure, print, and say by the exit code whether it is within what is allowed."""
    print(ensure_wrk())
    with tempfile.TemporaryDirectory(prefix="modelyard-reloads-") as name, Serving(Path(name)) as serving:
        folder = Path(name)
        spec = TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 30))
        gateway = serving.start_gateway()
        workers = [serving.start_worker(f"v{n}", same_bundle(folder / f"bundle-{n}", spec)) for n in (1, 2)]
        versions = (variant(workers[0], number=1), variant(workers[1], number=2))
        publish(folder / "routing.json", versions[0], 1)
        time.sleep(1)
        write_requests(folder / "requests", [request(row) for row in range(64)])
        pids = [gateway.pid, *(worker.process.pid for worker in workers)]

        def load() -> Load:
            return apply_load(
                serving.url, folder / "requests", connections=CONNECTIONS, seconds=ROUND_SECONDS, pids=lambda: pids
            )

        load()  # warm
        without, during, done = [], [], 0
        while done < reloads:
            without.append(load())
            reloader = Reloader(folder / "routing.json", versions, ROUND_SECONDS / 150)
            reloader.start()
            during.append(load())
            done += reloader.end()
    return report(without, during, done)


def request(row: int, name: str = "x") -> Request:
    """A row of 30 numbers."""
    tensor = {"name": name, "datatype": "FP32", "shape": [1, 30], "data": [row + column / 8 for column in range(30)]}
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    return Request("/v2/models/model/infer", headers, json.dumps({"inputs": [tensor]}).encode())


def report(without: list[Load], during: list[Load], reloads: int) -> int:
    """Print medians over the rounds; 0 if the p99 is within what is allowed and nothing failed."""
    for title, loads in (("without reloads", without), (f"during {reloads} reloads", during)):
        rate, p50, p99 = (
            statistics.median(getattr(one, part) for one in loads) for part in ("rate", "p50_ms", "p99_ms")
        )
        count, failed = sum(one.requests for one in loads), sum(one.failures for one in loads)
        print(f"{title:24} {count:9,} requests, {failed} failed; {rate:8,.0f}/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    ratio = statistics.median(one.p99_ms for one in during) / statistics.median(one.p99_ms for one in without)
    failed = sum(one.failures for one in (*without, *during))
    print(f"p99 during reloads is {ratio:.2f} times the p99 without ({ALLOWED} allowed)")
    return int(failed > 0 or ratio > ALLOWED)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
