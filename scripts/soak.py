"""`make soak`: a gateway under load while its workers are killed, drained and replaced: no answer is lost or mixed."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from modelyard.testing.soak.run import soak


def main() -> None:
    """Exit code 0 only if everything held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of an earlier run")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 31) if arguments.seed is None else arguments.seed
    _say(f"seed {seed}, {arguments.connections} connections, {arguments.minutes:g} minutes")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        outcome = soak(
            Path(folder), seconds=arguments.minutes * 60, connections=arguments.connections, seed=seed, say=_say
        )
    counts, seconds = outcome.ledger.counts, outcome.seconds
    for name, count in sorted(counts.items()):
        _say(f"{name}: {count}")
    _say(f"answers a second: {counts['answers checked'] / seconds:.0f}")
    _say(f"refused with a reason: {dict(outcome.ledger.refusals)}")
    for line in outcome.vitals.lines():
        _say(f"medians of each fifth of the time, {line}")
    _say(
        f"file descriptors of the idle gateway: {outcome.descriptors_before} before, {outcome.descriptors_after} after"
    )
    for fault in outcome.faults:
        _say(f"FAULT: {fault}")
    _say(f"seed {seed}: " + (f"{len(outcome.faults)} faults" if outcome.faults else "everything held"))
    sys.exit(bool(outcome.faults))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
