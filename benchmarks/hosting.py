"""What shared and warm worker processes save: start of the first endpoint, time of a new version, the rate of twenty
endpoints beside that of one (W5), and memory; with the default settings, and with a process for each model.

Usage: python -m benchmarks.hosting [SECONDS [REPETITIONS]]      (2 s a load, 3 loads of each kind if not given)
"""

import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.serving import models
from benchmarks.serving.load import Request, apply_load, ensure_wrk, write_requests
from benchmarks.serving.peers.base import DIFFERENT_BODIES
from benchmarks.serving.peers.mix import ModelyardMix
from benchmarks.serving.peers.modelyard import Modelyard
from benchmarks.serving.processes import pss_mb
from benchmarks.serving.works import MIX, MIX_SIZE, Artifact

CONNECTIONS = 64
_PORT = 21990
_NEW_VERSIONS = 4
_SETTLE_SECONDS = 6.0  # a spare worker comes within five
_ASK_SECONDS = 60.0


@dataclass(frozen=True)
class Figures:
    """Of one arrangement."""

    first_endpoint_seconds: float
    new_version_seconds: float
    one_rate: float
    many_rate: float
    slowest_ratio: float
    one_pss_mb: float
    many_pss_mb: float
    processes: int

    def line(self, title: str) -> str:
        """A row of the table."""
        return (
            f"{title:10} {self.first_endpoint_seconds:9.2f} {self.new_version_seconds:9.2f} {self.one_rate:9,.0f} "
            f"{self.many_rate:9,.0f} {self.many_rate / self.one_rate:7.0%} {self.slowest_ratio:9.1f} "
            f"{self.one_pss_mb:8.0f} {self.many_pss_mb:9.0f} {self.processes:9}"
        )


class One(Modelyard):
    """A platform with one endpoint, which the mix joins later."""

    name = "modelyard-hosting"
    settings: ClassVar[Mapping[str, str]] = {}

    def variables(self) -> Mapping[str, str]:
        """See Peer."""
        return self.settings

    def new_version(self, version: int) -> float:
        """Seconds from the call that deploys a version to its first right answer."""
        want, started = self.answers(0, 3, version), time.monotonic()
        self.deploy(version)
        while self.ask(0, 3) != want:
            if time.monotonic() - started > _ASK_SECONDS:
                raise TimeoutError(f"version {version} does not answer")
            time.sleep(0.003)
        return time.monotonic() - started


class Isolated(One):
    """The same with a process for each model and none that waits."""

    name = "modelyard-isolated"
    settings: ClassVar[Mapping[str, str]] = {"MODELYARD_SHARED_MODEL_BYTES": "0", "MODELYARD_SPARE_WORKERS": "0"}


class Many(ModelyardMix):
    """The mix on a platform that runs."""

    def __init__(self, platform: One) -> None:
        super().__init__(MIX, Artifact.ONNX, platform.port)
        self.home, self._client, self.token = platform.home, platform.client, platform.token


def main(seconds: float, repetitions: int) -> None:
    """Measure both arrangements and print them side by side."""
    print(ensure_wrk())
    models.ensure_models()
    print(
        f"{'':10} {'first s':>9} {'version s':>9} {'one/s':>9} {'twenty/s':>9} {'share':>7} {'slowest x':>9} "
        f"{'1: PSS':>8} {'20: PSS':>9} {'processes':>9}"
    )
    for kind in (One, Isolated):
        print(measure(kind("linear", Artifact.ONNX, _PORT), seconds, repetitions).line(kind.name.partition("-")[2]))


def measure(platform: One, seconds: float, repetitions: int) -> Figures:
    """Start, deploy, load in turn, end."""
    try:
        platform.start()
        platform.wait()
        first = platform.cold_start_seconds or 0.0
        time.sleep(_SETTLE_SECONDS)
        versions = [platform.new_version(2 - number % 2) for number in range(_NEW_VERSIONS)]
        time.sleep(_SETTLE_SECONDS)
        one_pss = pss_mb(platform.model_pids())
        many = Many(platform)
        many.provide()
        many.check(1)
        rates = list(_rates(platform, many, seconds, repetitions))
        return Figures(
            first_endpoint_seconds=first,
            new_version_seconds=statistics.median(versions),
            one_rate=statistics.median(one for one, _ in rates),
            many_rate=statistics.median(twenty for _, twenty in rates),
            slowest_ratio=many.slowest_ratio(),
            one_pss_mb=one_pss,
            many_pss_mb=pss_mb(platform.model_pids()),
            processes=len(platform.model_pids()),
        )
    finally:
        platform.stop()


def _rates(platform: One, many: Many, seconds: float, repetitions: int) -> Iterator[tuple[float, float]]:
    """Requests per second of one endpoint and of twenty, loaded in turn, so that a busy machine disturbs both."""
    own: list[Request] = [
        Request(platform.path, platform.headers, platform.body(index * 3, 1)) for index in range(DIFFERENT_BODIES)
    ]
    files = platform.folder / "one.requests", platform.folder / f"{MIX_SIZE}.requests"
    write_requests(files[0], own)
    write_requests(files[1], many.requests(1))
    for number in range(repetitions + 1):  # the first warms up
        loads = [
            apply_load(platform.url, file, connections=CONNECTIONS, seconds=seconds, pids=platform.serving_pids)
            for file in files
        ]
        failures = sum(load.failures for load in loads)
        if failures:
            raise RuntimeError(f"{failures} requests failed")
        if number:
            yield loads[0].rate, loads[1].rate


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 2.0,
        int(sys.argv[2]) if len(sys.argv) > 2 else 3,
    )
