"""Load by wrk: one thread, keep-alive connections, the next request on each as soon as the last one is answered.

MODELYARD_BENCH_WRK is the command for it where it is not on the PATH; it may have words before the program, as in
`env LD_LIBRARY_PATH=/opt/wrk /opt/wrk/wrk`.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.pinning import on_core
from benchmarks.serving.places import HERE
from benchmarks.serving.processes import cpu_seconds

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Request:
    """One of the requests that are sent in turn."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Load:
    """What wrk saw, and what it cost the server.

    Attributes:
        rate: answered requests per second.
        p50_ms, p99_ms: latency.
        cpu_us: CPU time of the server's processes per request.
        failures: answers outside 2xx and 3xx, broken connections, time-outs.
    """

    requests: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    failures: int


def ensure_wrk() -> str:
    """The version of wrk.

    Raises:
        FileNotFoundError: it is not installed.
    """
    if shutil.which(_wrk()[0]) is None:
        raise FileNotFoundError(
            "wrk is missing: `make bench-serving` installs it, MODELYARD_BENCH_WRK says where it is"
        )
    done = subprocess.run([*_wrk(), "-v"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0].partition(" Copyright")[0]


def _wrk() -> list[str]:
    return shlex.split(os.environ.get("MODELYARD_BENCH_WRK", "wrk"))


def write_requests(path: Path, requests: Iterable[Request]) -> None:
    """The file that load.lua reads."""
    with path.open("wb") as file:
        for request in requests:
            headers = "\t".join(f"{name}: {value}" for name, value in request.headers.items())
            file.write(f"{request.path}\n{headers}\n".encode() + request.body + b"\1")


def apply_load(
    url: str,
    requests_file: Path,
    *,
    connections: int,
    seconds: float,
    pids: Callable[[], list[int]],
    core: int | None = None,
) -> Load:
    """Send for `seconds` over `connections`, from `core` if one is given; CPU time is that of `pids`."""
    before = cpu_seconds(pids())
    command = [*_wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s", f"--timeout={_TIMEOUT_SECONDS}s"]
    with on_core(core):
        done = subprocess.run(
            [*command, "-s", str(HERE / "load.lua"), url, "--", str(requests_file)],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        )
    cpu = cpu_seconds(pids()) - before
    seen = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("JSON")).removeprefix("JSON"))
    count = seen["requests"]
    return Load(
        requests=count,
        rate=count / seen["microseconds"] * 1e6,
        p50_ms=seen["p50_us"] / 1e3,
        p99_ms=seen["p99_us"] / 1e3,
        cpu_us=cpu / max(1, count) * 1e6,
        failures=seen["refused"] + seen["broken"] + seen["late"],
    )
