"""The figures that Modelyard sets itself, each with what was measured and whether it was reached."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.serving.peers.catalog import PEERS
from benchmarks.serving.peers.modelyard import GATEWAY, WORKER
from benchmarks.serving.records import Records

OURS = "modelyard"
UNCOMPILED = "modelyard-uncompiled"
_SLOW_PEERS = ("bentoml", "mlflow", "litserve", "rayserve")


@dataclass(frozen=True)
class Line:
    """One figure. `value` None: not measured in this run. `unit` "" is a ratio."""

    text: str
    value: float | None
    bound: float
    is_least: bool = True
    unit: str = ""

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.value is None:
            return "not measured"
        is_reached = self.value >= self.bound if self.is_least else self.value < self.bound
        return "reached" if is_reached else "**not reached**"


def lines(records: Records) -> Iterator[Line]:
    """All figures."""
    see = _Figures(records)
    yield from _beside_the_limit(see)
    yield from _beside_the_peers(see)
    yield from _costs(see, records)


def _beside_the_limit(see: "_Figures") -> Iterator[Line]:
    for connections, share in ((64, 0.5), (16, 0.4)):
        value = see.ratio(see.rate("W1", connections), see.rate("W1", connections, "echo"))
        yield Line(f"W1, {connections} connections: share of the bare echo", value, share)
    yield Line("W2, 64 connections: share of W1's rate", see.ratio(see.rate("W2", 64), see.rate("W1", 64)), 0.6)
    yield Line("W3: share of the rows/s of the compiled model in a process, one thread", see.share_of_model("W3"), 0.8)
    mix = see.rate("W5", 64, "modelyard-mix")
    yield Line("W5, 64 connections: share of W1's rate", see.ratio(mix, see.rate("W1", 64)), 0.7)
    slowest = see.records.middle("mix", "slowest_ratio")
    yield Line("W5: mean latency of the slowest endpoint, times that of all", slowest, 5.0, is_least=False)


def _beside_the_peers(see: "_Figures") -> Iterator[Line]:
    yield see.beside_best("W1", 64, 12)
    for peer in _SLOW_PEERS:
        value = see.ratio(see.rate("W1", 64), see.rate("W1", 64, peer))
        yield Line(f"W1, 64 connections: times {peer}", value, 40)
    yield see.beside_best("W1", 1, 3)
    for connections in (16, 64):
        yield see.beside_best("W2", connections, 15)
    yield see.beside_best("W2", 16, 2, UNCOMPILED)
    yield see.beside_best("W2", 64, 3.5, UNCOMPILED)
    for connections in (16, 64):
        yield see.beside_best("W6", connections, 8)


def _costs(see: "_Figures", records: Records) -> Iterator[Line]:
    p99 = see.load("p99_ms", "W1", 16, OURS)
    yield Line("W1, 16 connections: p99", p99, 2.0, is_least=False, unit="ms")
    cpu = see.load("cpu_us", "W1", 64, OURS)
    yield Line("W1, 64 connections: CPU per request, gateway and worker", cpu, 30.0, is_least=False, unit="us")
    for kind, text in (("rss_mb", "memory"), ("pss_mb", "proportional memory")):
        parts = [records.middle("memory", kind, peer=OURS, model="linear", role=role) for role in (GATEWAY, WORKER)]
        known = [part for part in parts if part is not None]
        memory = sum(known) if len(known) == len(parts) else None
        yield Line(f"{text} of gateway and one worker", memory, 170.0, is_least=False, unit="MB")
    cold = records.middle("start", "cold_start_seconds", peer=OURS)
    yield Line("cold start of an endpoint", cold, 1.0, is_least=False, unit="s")
    deploy = records.middle("deploy", "seconds", peer=OURS)
    yield Line("a new version into service", deploy, 0.5, is_least=False, unit="s")


class _Figures:
    """Medians by work, connections and server."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def load(self, field: str, work: str, connections: int, peer: str) -> float | None:
        """A field of the loads."""
        return self.records.middle("load", field, work=work, connections=connections, peer=peer)

    def rate(self, work: str, connections: int, peer: str = OURS) -> float | None:
        """Requests a second."""
        return self.load("rate", work, connections, peer)

    def beside_best(self, work: str, connections: int, bound: float, own: str = OURS) -> Line:
        """A line that compares with the fastest peer."""
        rates = {kind.name: rate for kind in PEERS if (rate := self.rate(work, connections, kind.name))}
        best = max(rates, key=rates.__getitem__, default=None)
        value = self.ratio(self.rate(work, connections, own), rates[best]) if best else None
        named = "uncompiled, " if own == UNCOMPILED else ""
        return Line(f"{work}, {connections} connections: {named}times the best peer ({best or 'none'})", value, bound)

    def share_of_model(self, work: str) -> float | None:
        """Best rate of a work, as a share of what its model does in a process."""
        limit = self.records.middle("limit", "onnx", model="forest", rows=100)
        rates = [rate for connections in (1, 16, 64) if (rate := self.rate(work, connections))]
        return self.ratio(max(rates, default=None), limit)

    @staticmethod
    def ratio(value: float | None, other: float | None) -> float | None:
        """None if one is missing."""
        return value / other if value is not None and other else None
