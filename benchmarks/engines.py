"""What a job costs beside its own work, on each engine.

Usage: python -m benchmarks.engines [local] [container] [ray]      (local if none is named)

`container` needs Podman, `ray` the extra of that name. For each engine a platform is started, which runs a script that
does nothing but print the time, again and again. Printed are the seconds to the platform (and to Ray's node before it),
to the first line of the first job (on Ray from nothing, that is the time to the first task), and medians of the jobs
after it: from the call that submits one to its first line, from that line to the call's return, and both together.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelyard.quickstart.platform import start_platform, stop_platform
from modelyard.sdk.client import Client
from modelyard.settings import Home
from modelyard.testing.services.containers import podman_service
from modelyard.types.processes import EngineKind

JOBS = 10
SCRIPT = "import time\nprint('began', time.time())\n"


def main() -> None:
    """Print the figures of the engines that are named."""
    print(f"load average: {os.getloadavg()[0]:.1f}")
    for name in sys.argv[1:] or ["local"]:
        with tempfile.TemporaryDirectory(prefix="my-") as folder:
            measure(EngineKind(name), Path(folder))


def measure(kind: EngineKind, folder: Path) -> None:
    """Start a platform on the engine, run jobs, print their times, end it."""
    script, home = folder / "job.py", folder / "home"
    script.write_text(SCRIPT)
    begun = time.time()
    with engine(kind, folder) as options:
        if kind is EngineKind.RAY:
            print(f"{kind}: its node is up after {time.time() - begun:.1f} s")
        try:
            with start_platform(home, ["--engine", kind, *options]) as client:
                print(f"{kind}: the platform is ready after {time.time() - begun:.1f} s")
                client.projects.allow_code("default", reason="a benchmark")
                first, _ = one_job(client, script)
                print(f"{kind}: the first job's first line came after {first - begun:.1f} s")
                report(kind, client, script)
        finally:
            stop_platform(home)


def report(kind: EngineKind, client: Client, script: Path) -> None:
    """Run more jobs, one after the other, and print medians."""
    starts, ends = [], []
    for _ in range(JOBS):
        begun = time.time()
        line, end = one_job(client, script)
        starts.append(line - begun)
        ends.append(end - line)
    start, end = statistics.median(starts), statistics.median(ends)
    together = f"{start + end:.2f} s in all"
    print(f"{kind}: a job begins after {start:.2f} s and is known to have ended {end:.2f} s later; {together}")


def one_job(client: Client, script: Path) -> tuple[float, float]:
    """When the script began by its own clock, and when the caller knew of its end."""
    job = client.jobs.run(script, wait=True)
    end = time.time()
    lines = [*client.jobs.logs(job.id)]
    return float(next(text for text in lines if text.startswith("began ")).split()[1]), end


@contextlib.contextmanager
def engine(kind: EngineKind, folder: Path) -> Iterator[Sequence[str]]:
    """What the engine needs, while it is used; options of `modelyard up`."""
    match kind:
        case EngineKind.LOCAL:
            yield ()
        case EngineKind.CONTAINER:
            with podman_service(folder / "p") as podman:
                yield ("--container-socket", podman.socket)
        case EngineKind.RAY:
            from modelyard.engines.ray import cluster  # noqa: PLC0415 - only there with the extra

            home = Home(folder / "cluster")
            node = cluster.start_node(home)
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(home.cluster_token)  # the platform has a home of its own
            try:
                yield ("--ray-address", node.address)
            finally:
                cluster.stop_node(home, node)


if __name__ == "__main__":
    main()
