"""What recording every request costs: throughput at 16 connections with and without, in turns, on one gateway.

Usage: python -m benchmarks.captures [ROUNDS]      (6 of each kind if not given: about a minute and a half)

A real gateway and a worker that serves a small model (a row of 30 numbers), loaded by wrk. Three kinds of rounds take
turns, so that a busy machine disturbs all of them: nothing is recorded; everything is recorded to the spool; and
everything is recorded while another process takes it over into Parquet objects, as the control process does.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reloads import request
from benchmarks.serving.load import Load, apply_load, ensure_wrk, write_requests

from modelyard.dataplane.captures import closed_segments
from modelyard.testing.same_model import same_bundle
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.signatures import DataType, TensorSpec

CONNECTIONS = 16
ROUND_SECONDS = 4.0
ALLOWED = 0.10
"""Share of the throughput that recording everything may cost."""

INGEST = """
import sys, time
from pathlib import Path
from modelyard.control.captures.ingest import CaptureIngest
from modelyard.control.captures.repository import CaptureRepository
from modelyard.kit.clock import SystemClock
from modelyard.kit.host import give_way
from modelyard.storage.database import Database
from modelyard.storage.objects import open_objects
folder, spool = Path(sys.argv[1]), Path(sys.argv[2])
database = Database(f"sqlite:///{folder}/operations.db")
database.upgrade("common", "operations")
ingest = CaptureIngest(database, CaptureRepository(), open_objects(f"file://{folder}/objects"), spool, SystemClock())
give_way()
print(0, flush=True)
while True:
    print(ingest.run_once(), flush=True)
    time.sleep(0.5)
"""


@dataclass
class Kind:
    """One kind of round, and what was seen in it."""

    title: str
    share: float
    is_taken_over: bool
    loads: list[Load] = field(default_factory=list)
    taken_over: list[int] = field(default_factory=list)

    def middle(self, name: str) -> float:
        """Median of a field of the loads."""
        return statistics.median(getattr(load, name) for load in self.loads)


def main(rounds: int) -> int:
    """Measure, print, and say by the exit code whether it is within what is allowed."""
    print(ensure_wrk())
    kinds = [
        Kind("nothing recorded", 0.0, is_taken_over=False),
        Kind("everything, to the spool", 1.0, is_taken_over=False),
        Kind("everything, and taken over", 1.0, is_taken_over=True),
    ]
    with tempfile.TemporaryDirectory(prefix="modelyard-captures-") as name, Serving(Path(name)) as serving:
        folder = Path(name)
        spec = TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 30))
        gateway = serving.start_gateway()
        worker = serving.start_worker("worker", same_bundle(folder / "bundle", spec))
        served = variant(worker)
        write_requests(folder / "requests", [request(row) for row in range(64)])
        pids = [gateway.pid, worker.process.pid]

        def load(seconds: float) -> Load:
            return apply_load(
                serving.url, folder / "requests", connections=CONNECTIONS, seconds=seconds, pids=lambda: pids
            )

        for count in range(rounds + 1):
            for kind in kinds if count % 2 else reversed(kinds):
                serving.publish(endpoint("model", served, capture_share=kind.share))
                counts: list[int] = []
                with taking_over(folder, serving.spool, counts) if kind.is_taken_over else left(serving.spool):
                    seen = load(ROUND_SECONDS if count else 1.0)
                if count:  # the first round warms up
                    kind.loads.append(seen)
                    kind.taken_over.append(sum(counts))
    return report(kinds)


@contextmanager
def taking_over(folder: Path, spool: Path, counts: list[int]) -> Iterator[None]:
    """A process that turns segments into Parquet objects meanwhile; `counts` gets how many records it did."""
    command = [sys.executable, "-c", INGEST, str(folder), str(spool)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()
            counts.extend(int(line) for line in process.stdout if line.endswith("\n"))


@contextmanager
def left(spool: Path) -> Iterator[None]:
    """Nobody reads the spool; afterwards it is emptied."""
    yield
    for path in closed_segments(spool):
        path.unlink()


def report(kinds: list[Kind]) -> int:
    """Print medians over the rounds; 0 if the cost is within what is allowed and nothing failed."""
    without = kinds[0].middle("rate")
    for kind in kinds:
        failed = sum(load.failures for load in kind.loads)
        ratio = kind.middle("rate") / without
        print(
            f"{kind.title:27} {kind.middle('rate'):8,.0f}/s ({ratio:.1%}), p99 {kind.middle('p99_ms'):.2f} ms, "
            f"{kind.middle('cpu_us'):.1f} us CPU of gateway and worker a request, {failed} failed"
        )
    full = kinds[2]
    share = sum(full.taken_over) / sum(load.requests for load in full.loads)
    print(f"{share:.0%} of the records were taken over while the load lasted (its last segment is open until then)")
    # Neighbours in time are compared: what disturbs one round of three disturbs the others alike.
    pairs = [loaded.rate / bare.rate for bare, loaded in zip(kinds[0].loads, full.loads, strict=True)]
    cost = 1 - statistics.median(pairs)
    print(f"recording everything and taking it over costs {cost:.1%} of the throughput ({ALLOWED:.0%} allowed)")
    return int(cost > ALLOWED or any(load.failures for kind in kinds for load in kind.loads))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 6))
