"""`python -m benchmarks.serving --peers fastapi,mlserver --works W1,W2 --seconds 2 --repetitions 3 --output FOLDER`

Writes FOLDER/records.jsonl while it runs and FOLDER/report.md at the end. Repetitions are interleaved: every server is
started, checked, loaded and stopped once before any of them has its second turn.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

from benchmarks.serving import limits, models
from benchmarks.serving.environments import SetUpError
from benchmarks.serving.load import ensure_wrk
from benchmarks.serving.measure import Plan, measure
from benchmarks.serving.peers.base import Peer, PeerFailedError
from benchmarks.serving.peers.catalog import ALL, OWN, PEERS
from benchmarks.serving.pinning import Pinning
from benchmarks.serving.places import CACHE
from benchmarks.serving.records import Records
from benchmarks.serving.report import write_report
from benchmarks.serving.works import ALL as WORKS
from benchmarks.serving.works import MIX, Work

from modelyard.errors import ModelyardError

_USUAL_PEERS = "fastapi,mlserver,triton,torchserve"
_USUAL_WORKS = "W1,W2,W3"
_FIRST_PORT, _PORTS_EACH, _LAST_PORT = 21000, 10, 29000


def main() -> None:
    """Set up, measure, report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that an ended run ends its servers
    options = _parse()
    if options.only_report:
        write_report(Records.read(options.output / "records.jsonl"), options.output / "report.md")
        return
    options.output.mkdir(parents=True, exist_ok=True)
    records = Records(options.output / "records.jsonl")
    kinds = [*_own(options.own), *_chosen(options.peers)]
    works = [WORKS[name] for name in options.works.split(",")]
    records.add(
        "run",
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        cores=os.cpu_count(),
        wrk=ensure_wrk(),
        seconds=options.seconds,
        repetitions=options.repetitions,
        is_pinned=options.pin,
        about={kind.name: kind.about for kind in kinds},
        load_average=os.getloadavg()[0],
    )
    models.ensure_models()
    kinds = list(_installed(kinds, records))
    for model, rows in dict.fromkeys((work.model, work.rows) for work in works if work.model != MIX):
        records.add("limit", model=model, rows=rows, **limits.measure(model, rows))
    connections = tuple(map(int, options.connections.split(",")))
    plan = Plan(connections, options.seconds, Pinning() if options.pin else None)
    ports = cycle(range(_FIRST_PORT, _LAST_PORT, _PORTS_EACH))  # each used once: a closed one lingers
    for repetition in range(options.repetitions):
        for kind, chosen in _turns(kinds, works):
            _measure(kind(chosen[0].model, chosen[0].artifact, next(ports)), chosen, plan, records, repetition)
    records.add("end", load_average=os.getloadavg()[0])
    write_report(records, options.output / "report.md")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-serving", description=__doc__)
    add = parser.add_argument
    add("--peers", default=_USUAL_PEERS, help=f"all, none, or some of {', '.join(kind.name for kind in PEERS)}")
    add("--own", default="all", help=f"all, or some of {', '.join(kind.name for kind in OWN)}")
    add("--works", default=_USUAL_WORKS, help=f"some of {', '.join(WORKS)}")
    add("--connections", default="1,16,64", help="numbers of connections")
    add("--seconds", type=float, default=2.0, help="length of a load")
    add("--repetitions", type=int, default=3, help="how often everything is measured")
    add("--pin", action="store_true", help="wrk and each process that answers have a core of their own")
    add("--output", type=Path, default=CACHE / "results" / time.strftime("%Y%m%d-%H%M%S"), help="folder")
    add("--only-report", action="store_true", help="write the report of an earlier run in --output again")
    return parser.parse_args()


def _own(names: str) -> list[type[Peer]]:
    return list(OWN) if names == "all" else [ALL[name] for name in names.split(",")]


def _chosen(names: str) -> list[type[Peer]]:
    if names in ("all", "none"):
        return list(PEERS) if names == "all" else []
    return [ALL[name] for name in names.split(",")]


def _installed(kinds: Sequence[type[Peer]], records: Records) -> Iterator[type[Peer]]:
    """Those that are, after installing what is missing; the others are reported."""
    for kind in kinds:
        try:
            if kind.environment is not None:
                _say(f"{kind.name}: environment")
                kind.environment.ensure()
        except SetUpError as error:
            _say(f"{kind.name}: not installed: {error}")
            records.add("missing", peer=kind.name, why=str(error))
        else:
            yield kind


def _turns(kinds: Sequence[type[Peer]], works: Sequence[Work]) -> Iterator[tuple[type[Peer], list[Work]]]:
    """Each server with the works that it can do on one model."""
    for model, artifact in dict.fromkeys((work.model, work.artifact) for work in works):
        for kind in kinds:
            if kind.takes(model, artifact):
                yield kind, [work for work in works if (work.model, work.artifact) == (model, artifact)]


def _measure(peer: Peer, works: Sequence[Work], plan: Plan, records: Records, repetition: int) -> None:
    names = ",".join(work.name for work in works)
    _say(f"repetition {repetition + 1}: {peer.name} {names}")
    try:
        measure(peer, works, plan, records, repetition)
    except (PeerFailedError, ModelyardError, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
        why = f"{type(error).__name__}: {error}"
        _say(f"{peer.name} {names}: FAILED: {why}")
        records.add("failed", peer=peer.name, works=names, repetition=repetition, why=why)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
