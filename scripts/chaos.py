"""`make chaos`: kill the platform's processes at random while it works, and look for lies and losses."""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from modelyard.testing.chaos.run import run


def main() -> None:
    """Exit code 0 only if everything held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many processes to kill")
    parser.add_argument("--minutes", type=float, default=20.0, help="stop killing after this time")
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of an earlier run")
    parser.add_argument("--home", type=Path, default=None, help="state directory; a temporary one if left out")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 31) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="modelyard-chaos-"))
    home = arguments.home or folder / "home"
    outcome = run(home, kills=arguments.kills, limit_seconds=arguments.minutes * 60, seed=seed, say=_say)
    if outcome.faults:
        _say(f"the state directory is kept for a look: {home}")
    else:
        shutil.rmtree(folder)
    kills = outcome.kills.total()
    _say(f"{kills} kills in {outcome.seconds:.0f} s: {dict(outcome.kills)}")
    _say(f"acknowledged and done: {dict(outcome.counts)}")
    _say(f"slowest restart: {outcome.slowest_restart_seconds:.1f} s")
    for fault in outcome.faults:
        _say(f"FAULT: {fault}")
    if kills < arguments.kills:
        _say(f"only {kills} of {arguments.kills} kills fitted into {arguments.minutes:g} minutes")
    _say(f"seed {seed}: " + ("everything held" if not outcome.faults else f"{len(outcome.faults)} faults"))
    sys.exit(bool(outcome.faults) or kills < arguments.kills)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
