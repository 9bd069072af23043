"""One repetition of one server: start, check, load, memory, a new version, end."""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from benchmarks.serving.load import apply_load, write_requests
from benchmarks.serving.peers.base import Peer, PeerFailedError
from benchmarks.serving.peers.mix import ModelyardMix
from benchmarks.serving.peers.modelyard import Modelyard
from benchmarks.serving.pinning import Pinning
from benchmarks.serving.processes import pss_mb, rss_mb
from benchmarks.serving.records import Records
from benchmarks.serving.works import Work

_WARM_UP_CONNECTIONS = 8
_WARM_UP_SECONDS = 1.0
_DEPLOY_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Plan:
    """How long and how hard.

    Attributes:
        connections: one load for each number.
        seconds: length of a load.
        pinning: cores for everybody; None: the kernel chooses.
    """

    connections: tuple[int, ...]
    seconds: float
    pinning: Pinning | None = None


def measure(peer: Peer, works: Sequence[Work], plan: Plan, records: Records, repetition: int) -> None:
    """All of it, into `records`.

    Raises:
        PeerFailedError: it did not start, or answered something wrong.
    """
    own = {"peer": peer.name, "repetition": repetition}
    try:
        peer.start()
        seconds = peer.wait()
        cold = peer.cold_start_seconds if isinstance(peer, Modelyard) else None
        records.add("start", **own, model=peer.model, seconds=seconds, cold_start_seconds=cold)
        for work in works:
            checked = peer.check(work.rows)
            _load(peer, work, plan, records, own)
            records.add("check", **own, work=work.name, right=checked + peer.check(work.rows))
        if isinstance(peer, ModelyardMix):
            records.add("mix", **own, slowest_ratio=peer.slowest_ratio())
        for role, pids in peer.roles().items():
            sizes = {"rss_mb": rss_mb(pids), "pss_mb": pss_mb(pids), "processes": len(pids)}
            records.add("memory", **own, model=peer.model, role=role, **sizes)
        _deploy(peer, records, own)
    finally:
        peer.stop()


def _load(peer: Peer, work: Work, plan: Plan, records: Records, own: dict) -> None:
    file = peer.folder / f"{work.name}.requests"
    write_requests(file, peer.requests(work.rows))
    core = None
    if plan.pinning is not None:
        plan.pinning.pin(peer.serving_pids())
        core = plan.pinning.load
    apply = partial(apply_load, peer.url, file, pids=peer.serving_pids, core=core)
    apply(connections=_WARM_UP_CONNECTIONS, seconds=_WARM_UP_SECONDS)
    for connections in sorted({*plan.connections} & {*work.connections}):
        watch = _Watch(peer, work.rows)
        load = apply(connections=connections, seconds=plan.seconds)
        right, wrong = watch.stop()
        records.add(
            "load", **own, work=work.name, connections=connections, **asdict(load), watched=right, wrong=len(wrong)
        )
        if wrong:
            raise PeerFailedError(f"{work.name}, {connections} connections: {wrong[0]}")


def _deploy(peer: Peer, records: Records, own: dict) -> None:
    """Seconds until another version answers, while somebody keeps asking."""
    watch = _Watch(peer, 1, versions=(1, 2))
    started = time.monotonic()
    try:
        if not peer.deploy(2):
            return
        while peer.ask(0, 3) != peer.answers(0, 3, 2):
            if time.monotonic() - started > _DEPLOY_SECONDS:
                raise PeerFailedError("the old version still answers")
            time.sleep(0.002)
        seconds = time.monotonic() - started
    finally:
        right, wrong = watch.stop()
    records.add("deploy", **own, model=peer.model, seconds=seconds, watched=right, wrong=len(wrong))


class _Watch:
    """Asks now and then while others load the server, and looks at the answers: wrk sees only their status."""

    def __init__(self, peer: Peer, rows: int, versions: tuple[int, ...] = (1,)) -> None:
        self._peer = peer
        self._rows = rows
        self._versions = versions
        self._right = 0
        self._wrong: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> tuple[int, list[str]]:
        """How many answers were right, and what was wrong with the others."""
        self._end.set()
        self._thread.join()
        return self._right, self._wrong

    def _run(self) -> None:
        index = 0
        while not self._end.wait(_PAUSE_SECONDS):
            index += 1
            try:
                got = self._peer.ask(index, self._rows)
            except (OSError, ValueError, LookupError) as error:
                self._wrong.append(f"{type(error).__name__}: {error}")
                continue
            if got in [self._peer.answers(index, self._rows, version) for version in self._versions]:
                self._right += 1
            else:
                self._wrong.append(f"rows from {index}: it answered {got}")
