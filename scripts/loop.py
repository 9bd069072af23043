"""`make loop`: scripted drift and sabotaged retrainings against a platform of its own, under constant load."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from modelyard.testing.loop.proving import ACTS
from modelyard.testing.loop.run import faults, proof_table, run, scenario_table
from modelyard.testing.loop.scenarios import SCENARIOS


def main() -> None:
    """Exit code 0 only if everything held."""
    parser = argparse.ArgumentParser(description=__doc__)
    scenarios, acts = [scenario.name for scenario in SCENARIOS], [act.name for act in ACTS]
    parser.add_argument("--scenarios", nargs="*", choices=scenarios, default=scenarios, help="which drifts to play")
    parser.add_argument("--acts", nargs="*", choices=acts, default=acts, help="where sabotaged versions are stopped")
    parser.add_argument("--repeats", type=int, default=2, help="how often each kind of sabotage is tried")
    parser.add_argument("--seed", type=int, default=0, help="of the rows that are drawn")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="modelyard-loop-"))
    outcomes, reports = run(
        folder / "home",
        scenarios=[scenario for scenario in SCENARIOS if scenario.name in arguments.scenarios],
        acts=[act for act in ACTS if act.name in arguments.acts],
        repeats=arguments.repeats,
        seed=arguments.seed,
        say=_say,
    )
    wrong = faults(outcomes, reports)
    if outcomes:
        _say(f"\n{scenario_table(outcomes)}")
    for report in reports:
        _say(f"\n{report.act}\n{proof_table(report)}")
    for fault in wrong:
        _say(f"FAULT: {fault}")
    _say("\neverything held" if not wrong else f"\n{len(wrong)} faults; the state directory is kept: {folder}")
    if not wrong:
        shutil.rmtree(folder)
    sys.exit(bool(wrong))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
